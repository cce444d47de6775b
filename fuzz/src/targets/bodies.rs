//! Whole bodies: the tokenizer keeps its spans inside, and what is masked stays a document of the same shape.

use gateway::inspect::request::{JudgeOptions, judge, judge_reply};
use gateway::wire::json::{JsonError, Token, Tokens};

use super::{ENGINE, dialect};

/// Every span lies inside the document, and the reader comes to an end.
pub fn json(data: &[u8]) {
    let mut tokens = Tokens::new(data);
    while let Ok(Some(token)) = tokens.next_token() {
        if let Token::Key(span, _) | Token::String(span, _) | Token::Number(span) = token {
            assert!(span.start <= span.end && span.end as usize <= data.len());
        }
    }
}

/// An edited request is still JSON if it was, and judging it again finds nothing more to change.
pub fn request(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else { return };
    let judged = judge(&ENGINE, dialect(choice), body, JudgeOptions::default());
    let Some(edited) = judged.body else { return };
    assert_eq!(shape(&edited).is_ok(), shape(body).is_ok(), "an edit keeps a document one");
}

/// The same for replies.
pub fn reply(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else { return };
    let judged = judge_reply(&ENGINE, None, dialect(choice), body, None);
    let Some(edited) = judged.body else { return };
    assert_eq!(shape(&edited).is_ok(), shape(body).is_ok(), "an edit keeps a document one");
}

fn shape(body: &[u8]) -> Result<(), JsonError> {
    let mut tokens = Tokens::new(body);
    while tokens.next_token()?.is_some() {}
    Ok(())
}

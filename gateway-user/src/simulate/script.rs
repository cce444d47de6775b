//! How a request tells the simulated provider what to answer: a line `#sim key=value …` in its last user message.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most deltas one answer may have.
const MOST_DELTAS: usize = 1_000_000;
/// Longest wait a script may ask for.
const MOST_WAIT: Duration = Duration::from_secs(600);
/// Words the prose answers are made of.
const PROSE: &str =
    "The gateway reads along while the answer streams and hands every harmless word on at once. ";

/// What the answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Say {
    /// Plain prose, one word per delta (`say=prose`, the default).
    #[default]
    Prose,
    /// Prose with [`sample_key`] in it, cut into several deltas (`say=key`).
    Key,
    /// Prose with an e-mail address, cut into several deltas (`say=email`).
    Email,
    /// The prompt itself, without the script line (`say=echo`).
    Echo,
    /// A call of the first tool the request offers (`say=tool`).
    Tool,
    /// Words that carry the time they were written (`say=stamps`, see [`Script::stamp`]).
    Stamps,
}

/// What one answer is to be. Written as `#sim say=key deltas=40 pace_us=500 …` on a line of its own in the last
/// user message, or in the header `x-simulate` without `#sim`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What it says (`say`).
    pub say: Say,
    /// How many deltas (`deltas`); prose and stamps go on for as long. 0: one pass over the text.
    pub deltas: usize,
    /// Time between deltas (`pace_us`, microseconds).
    pub pace: Duration,
    /// Wait before the head of the answer (`first_ms`, milliseconds).
    pub first: Duration,
    /// Answer with this error status instead (`status`).
    pub status: Option<u16>,
    /// Break the connection (HTTP/2: the stream) after so many deltas (`reset_after`).
    pub reset_after: Option<usize>,
    /// End the body cleanly after so many deltas without the final events (`stop_after`).
    pub stop_after: Option<usize>,
    /// Send trailers after the body (`trailers=1`).
    pub trailers: bool,
    /// Stamps begin with the space instead of ending with it, as tokens of real models do (`lead=1`).
    pub lead: bool,
    /// Cached input tokens to report (`cached`).
    pub cached: u64,
}

impl Script {
    /// Reads the script out of a message; a message without one is plain prose. Errors name the bad word.
    pub fn find(message: &str) -> Result<Script, String> {
        let line = message.lines().find_map(|line| line.trim().strip_prefix("#sim"));
        Script::parse(line.unwrap_or(""))
    }

    /// Reads the words of a script line, without `#sim`.
    pub fn parse(line: &str) -> Result<Script, String> {
        let mut script = Script::default();
        for word in line.split_whitespace() {
            let (key, value) =
                word.split_once('=').ok_or_else(|| format!("#sim: {word} is not key=value"))?;
            script.set(key, value).ok_or_else(|| format!("#sim: cannot use {word}"))?;
        }
        Ok(script)
    }

    /// The text of each delta. `prompt` is what an echo repeats.
    pub fn pieces(&self, prompt: &str) -> Vec<String> {
        match self.say {
            Say::Echo => self.fill(words(prompt)),
            Say::Key => self.with_secret("Sure, the deploy key is ", &sample_key(), 4),
            Say::Email => self.with_secret("You can write to ", "ada.lovelace@analytical.example", 6),
            Say::Prose | Say::Tool => self.fill(words(PROSE)),
            Say::Stamps => vec![String::new(); self.deltas.clamp(1, MOST_DELTAS)],
        }
    }

    /// A word that carries the current time: `tok`, the nanoseconds since 1970 in the letters `a` to `p`, a space.
    /// Letters, because a number of that length would look like a card to the rules under test.
    pub fn stamp(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        let mut word = String::with_capacity(20);
        word.push_str(if self.lead { " tok" } else { "tok" });
        for place in (0..16).rev() {
            word.push(char::from(b'a' + ((now >> (4 * place)) & 15) as u8));
        }
        if !self.lead {
            word.push(' ');
        }
        word
    }

    /// The time in a word made by [`Script::stamp`], given what stands after `tok`; `None` when it is none.
    pub fn read_stamp(letters: &[u8]) -> Option<u64> {
        let letters = letters.get(..16)?;
        letters.iter().try_fold(0u64, |sum, letter| match letter {
            b'a'..=b'p' => Some(sum << 4 | u64::from(letter - b'a')),
            _ => None,
        })
    }

    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "say" => self.say = say(value)?,
            "deltas" => self.deltas = value.parse().ok().filter(|count| *count <= MOST_DELTAS)?,
            "pace_us" => self.pace = wait(Duration::from_micros(value.parse().ok()?))?,
            "first_ms" => self.first = wait(Duration::from_millis(value.parse().ok()?))?,
            "status" => self.status = Some(value.parse().ok().filter(|status| (400..600).contains(status))?),
            "reset_after" => self.reset_after = Some(value.parse().ok()?),
            "stop_after" => self.stop_after = Some(value.parse().ok()?),
            "trailers" => self.trailers = value == "1",
            "lead" => self.lead = value == "1",
            "cached" => self.cached = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }

    /// Repeats `words` until there are `deltas` of them.
    fn fill(&self, words: Vec<String>) -> Vec<String> {
        match self.deltas {
            0 => words,
            count => words.iter().cycle().take(count).cloned().collect(),
        }
    }

    /// A lead-in by words, the secret in pieces of `size` characters, and prose after it.
    fn with_secret(&self, before: &str, secret: &str, size: usize) -> Vec<String> {
        let mut pieces = words(before);
        pieces.extend(secret.as_bytes().chunks(size).map(|part| String::from_utf8_lossy(part).into_owned()));
        pieces.extend(words(" and please keep it to yourself."));
        let rest = self.deltas.saturating_sub(pieces.len());
        pieces.extend(words(PROSE).iter().cycle().take(rest).cloned());
        pieces
    }
}

/// A key in the shape of an AWS access key id that opens nothing. Put together here so that no scanner of source
/// code takes it for a leak.
pub fn sample_key() -> String {
    ["AKIA", "Z7QHPLXW", "4TNRM2VC"].concat()
}

fn say(name: &str) -> Option<Say> {
    Some(match name {
        "prose" => Say::Prose,
        "key" => Say::Key,
        "email" => Say::Email,
        "echo" => Say::Echo,
        "tool" => Say::Tool,
        "stamps" => Say::Stamps,
        _ => return None,
    })
}

fn wait(time: Duration) -> Option<Duration> {
    Some(time).filter(|time| *time <= MOST_WAIT)
}

/// Words with the space after them, line breaks kept.
fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

//! The evidence of a scored rule, as written in a rule file and as checked.

use serde::Deserialize;

use super::signals::Signal;
use crate::inspect::rules::Problem;
use crate::wire::event::Kind;

/// Groups of one rule at most, and phrases of one group.
const MAX_GROUPS: usize = 64;
const MAX_PHRASES: usize = 512;

/// What models tell: an order to the model in what a user says, one in what should be data, and abuse of people.
pub(crate) const HEADS: [&str; 3] = ["injection", "indirect", "toxicity"];

/// The score from which a rule applies, where it does not say.
pub(crate) const DEFAULT_THRESHOLD: f32 = 0.7;

/// How an operator wants evidence weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tuning {
    /// The score from which a rule applies instead of its own, above 0, up to 1.
    pub threshold: Option<f32>,
    /// The probability from which the model is enough alone instead of [`DEFAULT_THRESHOLD`], above 0, below 1.
    pub model_threshold: Option<f32>,
    /// The model is not asked.
    pub without_model: bool,
}

/// Phrases of one meaning, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGroup {
    pub name: String,
    pub weight: f32,
    /// A match may not end inside a word.
    #[serde(default)]
    pub whole_words: bool,
    pub phrases: Vec<String>,
}

/// The evidence of a scored rule.
#[derive(Clone, Debug)]
pub(crate) struct Scored {
    /// The sorts of text it is about.
    pub kinds: Vec<Kind>,
    /// It applies from this score on, 0 to 1.
    pub threshold: f32,
    /// The head of the model that counts as evidence.
    pub head: Option<String>,
    /// The probability from which the model is enough alone.
    pub model_threshold: f32,
    /// Its phrases.
    pub groups: Vec<Group>,
}

/// Phrases of one meaning: however many of them stand in a passage, they count once.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// What it is called in `gateway rules explain`.
    pub name: String,
    /// How much it says: 1 is enough alone; a negative weight speaks against.
    pub weight: f32,
    pub phrases: Vec<Signal>,
}

impl Scored {
    /// Checks what a rule file says.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(
        kinds: &[Kind],
        threshold: Option<f32>,
        head: Option<&str>,
        groups: &[RawGroup],
    ) -> Result<Scored, Problem> {
        let threshold = threshold.unwrap_or(DEFAULT_THRESHOLD);
        if !(threshold > 0.0 && threshold <= 1.0) {
            return Err(Problem::Misplaced { key: "threshold", why: "is a number above 0, up to 1" });
        }
        if kinds.is_empty() {
            return Err(Problem::Misplaced {
                key: "kinds",
                why: "names the sorts of text a scored rule judges",
            });
        }
        if groups.len() > MAX_GROUPS {
            return Err(Problem::Misplaced { key: "signals", why: "has 64 groups at most" });
        }
        if head.is_some_and(|head| !HEADS.contains(&head)) {
            return Err(Problem::Misplaced {
                key: "model",
                why: "names one of injection, indirect, toxicity",
            });
        }
        let groups = groups.iter().map(group).collect::<Result<_, _>>()?;
        Ok(Scored {
            kinds: kinds.to_vec(),
            threshold,
            head: head.map(str::to_owned),
            model_threshold: DEFAULT_THRESHOLD,
            groups,
        })
    }

    /// Weighs its evidence as an operator wants.
    pub fn tune(&mut self, tuning: Tuning) {
        self.threshold = tuning.threshold.unwrap_or(self.threshold);
        self.model_threshold = tuning.model_threshold.unwrap_or(self.model_threshold);
        if tuning.without_model {
            self.head = None;
        }
    }

    /// Each phrase with the number of its group.
    pub fn phrases(&self) -> impl Iterator<Item = (&Signal, u16)> {
        let of = |(group, number): (_, u16)| {
            let Group { phrases, .. }: &Group = group;
            phrases.iter().map(move |phrase| (phrase, number))
        };
        self.groups.iter().zip(0..).flat_map(of)
    }

    /// Its evidence for people: each group with its weight and number of phrases, and the head of the model.
    pub fn describe(&self) -> Vec<String> {
        let group = |of: &Group| format!("{} ({}, {} phrases)", of.name, of.weight, of.phrases.len());
        let head = self.head.iter().map(|head| format!("model ({head})"));
        self.groups.iter().map(group).chain(head).collect()
    }
}

fn group(raw: &RawGroup) -> Result<Group, Problem> {
    if !(-1.0..=1.0).contains(&raw.weight) {
        return Err(Problem::Misplaced { key: "weight", why: "is a number from -1 to 1" });
    }
    if raw.phrases.is_empty() || raw.phrases.len() > MAX_PHRASES {
        return Err(Problem::Misplaced { key: "phrases", why: "are 1 to 512 in each group" });
    }
    let phrases =
        raw.phrases.iter().map(|phrase| Signal::parse(phrase, raw.whole_words)).collect::<Result<_, _>>()?;
    Ok(Group { name: raw.name.clone(), weight: raw.weight, phrases })
}

//! Labelled texts, and the windows of them that are learned from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{FOLDS, features, segment};

/// Labels of texts that are negative for every head.
const NEGATIVE: [&str; 3] = ["benign", "clean", "negative"];
/// Texts that share this many words in a row are alike.
const SHINGLE: usize = 8;

#[derive(Deserialize)]
struct Row {
    text: String,
    label: String,
    attack_text: Option<String>,
    #[serde(default)]
    weak_label: bool,
}

/// One text.
struct Text {
    text: String,
    /// The head it is a positive of; none for negatives.
    head: Option<String>,
    /// Where what makes it positive stands.
    attack: Option<String>,
    group: usize,
}

/// All texts.
pub struct Set {
    texts: Vec<Text>,
    folds: BTreeMap<usize, usize>,
}

/// Two segments on end, as the firewall scores them.
pub struct Window {
    /// Buckets, and how often each.
    pub features: Vec<(u32, f32)>,
    pub positive: bool,
    /// The text it stands in.
    pub text: usize,
    /// How much it counts.
    pub weight: f64,
    /// It was made from a positive by taking out what makes it one.
    cleaned: bool,
}

/// Reads the files of the command line: `HEAD=FILE` or `FILE`.
pub fn read(data: &[String]) -> Result<Set> {
    let mut texts = Vec::new();
    for argument in data {
        let (head, file) = match argument.split_once('=') {
            Some((head, file)) => (Some(head), file),
            None => (None, argument.as_str()),
        };
        let content = std::fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
        for (line, number) in content.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let row: Row = serde_json::from_str(line).with_context(|| format!("{file}:{number}"))?;
            let negative = NEGATIVE.contains(&row.label.as_str());
            if row.weak_label || (!negative && head.is_none()) {
                continue;
            }
            let head = head.filter(|_| !negative).map(str::to_owned);
            texts.push(Text { text: row.text, head, attack: row.attack_text, group: 0 });
        }
    }
    group(&mut texts);
    let groups: BTreeSet<usize> = texts.iter().map(|text| text.group).collect();
    // Dealt in the order of a hash, so that neighbours in a file do not share a fold.
    let mut order: Vec<(u64, usize)> = groups.into_iter().map(|group| (mix(group as u64), group)).collect();
    order.sort_unstable();
    let folds = order.into_iter().zip(0..).map(|((_, group), place)| (group, place % FOLDS)).collect();
    Ok(Set { texts, folds })
}

impl Set {
    /// The names of the heads, in order.
    pub fn heads(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.texts.iter().filter_map(|text| text.head.as_ref()).collect();
        names.into_iter().cloned().collect()
    }

    /// The fold of a text.
    pub fn fold(&self, text: usize) -> usize {
        self.folds[&self.texts[text].group]
    }

    /// All windows one head learns from: those of its positives and of all negatives.
    pub fn windows(&self, head: &str) -> Vec<Window> {
        let mut windows = Vec::new();
        for (number, text) in self.texts.iter().enumerate() {
            let positive = text.head.as_deref() == Some(head);
            if text.head.is_some() && !positive {
                continue;
            }
            let from = windows.len();
            let attack = text.attack.as_deref().filter(|_| positive);
            let place = attack.and_then(|attack| text.text.find(attack).map(|at| at..at + attack.len()));
            cut(&text.text, |bytes, features| {
                let positive =
                    positive && place.as_ref().is_none_or(|at| at.start < bytes.end && bytes.start < at.end);
                windows.push(Window { features, positive, text: number, weight: 1.0, cleaned: false });
            });
            if let Some(at) = place {
                let clean = [&text.text[..at.start], &text.text[at.end..]].concat();
                cut(&clean, |_, features| {
                    windows.push(Window {
                        features,
                        positive: false,
                        text: number,
                        weight: 1.0,
                        cleaned: true,
                    });
                });
            }
            // A long text counts more than a short one, but not by its length.
            let weight = 1.0 / ((windows.len() - from).max(1) as f64).sqrt();
            windows[from..].iter_mut().for_each(|window| window.weight = weight);
        }
        balance(&mut windows);
        windows
    }

    /// The scores of whole texts, each the highest of its windows: of the positives of `head`, or of negatives.
    /// `scores` are those of [`Set::windows`].
    pub fn scores(&self, head: &str, scores: &[f64], positive: bool) -> Vec<f64> {
        let mut best: BTreeMap<usize, f64> = BTreeMap::new();
        for (window, score) in self.windows(head).iter().zip(scores).filter(|(window, _)| !window.cleaned) {
            let known = best.entry(window.text).or_insert(f64::NEG_INFINITY);
            *known = known.max(*score);
        }
        best.into_iter()
            .filter(|(text, _)| self.texts[*text].head.is_some() == positive)
            .map(|(_, score)| score)
            .collect()
    }
}

/// Lets positives and negatives count alike in all.
fn balance(windows: &mut [Window]) {
    let sum = |windows: &[Window], positive: bool| -> f64 {
        windows.iter().filter(|window| window.positive == positive).map(|window| window.weight).sum()
    };
    let half = windows.len() as f64 / 2.0;
    let factors = [false, true].map(|positive| half / sum(windows, positive).max(1.0));
    windows.iter_mut().for_each(|window| window.weight *= factors[usize::from(window.positive)]);
}

/// Cuts a text as the firewall does; tells each pair of segments on end with its place and features.
fn cut(text: &str, mut each: impl FnMut(std::ops::Range<usize>, Vec<(u32, f32)>)) {
    let folded: Vec<u8> = text.bytes().map(segment::fold).collect();
    let (mut from, mut before) = (0, 0);
    let mut last: BTreeMap<u32, f32> = BTreeMap::new();
    while from < folded.len() {
        let length = segment::length(&folded[from..]).unwrap_or(folded.len() - from);
        let mut now = BTreeMap::new();
        features::each(&folded[from..from + length], |bucket| {
            now.insert(bucket as u32, 1.0);
        });
        let mut both = last.clone();
        now.keys().for_each(|bucket| *both.entry(*bucket).or_insert(0.0) += 1.0);
        let count: f32 = both.values().sum();
        let features =
            both.into_iter().map(|(bucket, times)| (bucket, times / count.max(1.0).sqrt())).collect();
        each(before..from + length, features);
        (before, from, last) = (from, from + length, now);
    }
}

/// Gives texts that are alike one group: those that share [`SHINGLE`] words in a row.
fn group(texts: &mut [Text]) {
    let mut parents: Vec<usize> = (0..texts.len()).collect();
    let mut seen: HashMap<u64, usize> = HashMap::new();
    for (number, text) in texts.iter().enumerate() {
        let lower = text.attack.as_ref().unwrap_or(&text.text).to_lowercase();
        let words: Vec<&str> =
            lower.split(|at: char| !at.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        for shingle in words.windows(SHINGLE.min(words.len()).max(1)) {
            let hash = shingle
                .iter()
                .fold(0, |hash, word| word.bytes().fold(mix(hash), |hash, byte| mix(hash ^ u64::from(byte))));
            let other = *seen.entry(hash).or_insert(number);
            let (one, other) = (root(&mut parents, number), root(&mut parents, other));
            parents[one] = other;
        }
    }
    (0..texts.len()).for_each(|number| texts[number].group = root(&mut parents, number));
}

fn root(parents: &mut [usize], mut at: usize) -> usize {
    while parents[at] != at {
        parents[at] = parents[parents[at]];
        at = parents[at];
    }
    at
}

/// The finaliser of SplitMix64.
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}

//! Trains the model of the prompt firewall from labelled texts, and writes it with what it was trained on.

mod data;
mod fit;
mod write;

#[path = "../../../gateway-user/src/inspect/firewall/features.rs"]
mod features;
#[path = "../../../gateway-user/src/inspect/firewall/segment.rs"]
mod segment;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use data::{Set, Window};
use fit::Line;

/// Parts into which the data is dealt for cross-validation.
const FOLDS: usize = 5;
/// The share of negative texts that may score above a head's middle.
const FALSE_POSITIVES: f64 = 0.004;
/// The probability at the middle, and that of half the positive texts.
const AT_MIDDLE: f64 = 0.7;
const AT_MEDIAN: f64 = 0.95;
/// Bounds of the slope between the two.
const SLOPES: (f64, f64) = (0.5, 4.0);

/// What to train on.
#[derive(Args)]
pub struct Options {
    /// `HEAD=FILE`, or a FILE of negatives only: JSON lines with `text` and `label`. A label of benign, clean or
    /// negative is a negative for every head, any other a positive for HEAD. Where a row has `attack_text`, only what
    /// stands around it is positive. Rows with `weak_label: true` are left out.
    #[arg(required = true)]
    data: Vec<String>,
    /// Where the model goes.
    #[arg(short, long)]
    output: PathBuf,
    /// What the model says of itself: data, licences, date.
    #[arg(long, default_value = "")]
    note: String,
    /// How little the weights are held down.
    #[arg(long, default_value_t = 4.0)]
    cost: f64,
}

/// A trained head.
struct Head {
    name: String,
    line: Line,
    middle: f64,
    slope: f64,
}

/// Runs `cargo xtask train`.
///
/// # Errors
/// When data cannot be read, a head has too little of it, or the file cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let set = data::read(&options.data)?;
    let names = set.heads();
    if names.is_empty() || names.len() > write::MAX_HEADS {
        bail!("{} heads; name 1 to {} as HEAD=FILE", names.len(), write::MAX_HEADS);
    }
    let mut note = options.note.clone();
    let mut heads = Vec::new();
    for name in names {
        let (head, figures) = train(&set, &name, options.cost)?;
        println!("{figures}");
        note.push_str(&format!("\n{figures}"));
        heads.push(head);
    }
    write::write(&options.output, note.trim(), &heads)?;
    println!("wrote {}", options.output.display());
    Ok(())
}

/// Trains one head; returns it with its cross-validated figures.
fn train(set: &Set, name: &str, cost: f64) -> Result<(Head, String)> {
    let windows = set.windows(name);
    let scores = validate(set, &windows, cost);
    let mut negatives: Vec<f64> = set.scores(name, &scores, false);
    let mut positives: Vec<f64> = set.scores(name, &scores, true);
    if negatives.len() < 10 * FOLDS || positives.len() < 2 * FOLDS {
        bail!("head {name}: {} positive and {} negative texts are too few", positives.len(), negatives.len());
    }
    negatives.sort_by(|one, other| other.total_cmp(one));
    positives.sort_by(f64::total_cmp);
    let middle = negatives[(negatives.len() as f64 * FALSE_POSITIVES) as usize];
    let logit = |share: f64| (share / (1.0 - share)).ln();
    let above = positives[positives.len() / 2] - middle;
    let slope = ((logit(AT_MEDIAN) - logit(AT_MIDDLE)) / above.max(f64::EPSILON)).clamp(SLOPES.0, SLOPES.1);
    let share = |scores: &[f64]| {
        let hits = scores.iter().filter(|score| **score > middle).count();
        format!("{hits} of {} ({:.1} %)", scores.len(), 100.0 * hits as f64 / scores.len() as f64)
    };
    let figures = format!(
        "{name}: {FOLDS}-fold, alike texts in one fold: finds {}, false {}",
        share(&positives),
        share(&negatives)
    );
    let all: Vec<&Window> = windows.iter().collect();
    let line = fit::fit(&all, cost);
    Ok((Head { name: name.to_owned(), line, middle, slope }, figures))
}

/// The score of every window from a line that was fitted without its fold.
fn validate(set: &Set, windows: &[Window], cost: f64) -> Vec<f64> {
    let mut scores = vec![0.0; windows.len()];
    for fold in 0..FOLDS {
        let (mut known, mut unseen) = (Vec::new(), Vec::new());
        for (number, window) in windows.iter().enumerate() {
            match set.fold(window.text) == fold {
                true => unseen.push(number),
                false => known.push(window),
            }
        }
        let line = fit::fit(&known, cost);
        unseen.into_iter().for_each(|number| scores[number] = line.score(&windows[number]));
    }
    scores
}

#[cfg(test)]
mod tests;

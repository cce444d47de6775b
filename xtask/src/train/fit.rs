//! Fitting a line: logistic loss with squared weights held down, by coordinates of the dual.

use super::data::{Window, mix};
use super::features::BUCKETS;

/// Rounds over all windows.
const ROUNDS: u64 = 60;
/// Newton steps for one coordinate.
const STEPS: usize = 8;
/// How near a dual variable may come to its bounds, as a share of the way.
const NEAREST: f64 = 1e-6;

/// A line through the features.
pub struct Line {
    pub weights: Vec<f64>,
    pub bias: f64,
}

impl Line {
    /// The score of a window: above 0 it is more likely positive.
    pub fn score(&self, window: &Window) -> f64 {
        let product = |&(bucket, value): &(u32, f32)| self.weights[bucket as usize] * f64::from(value);
        self.bias + window.features.iter().map(product).sum::<f64>()
    }
}

/// Fits a line (Yu, Huang and Lin, "Dual coordinate descent methods for logistic regression", 2011). The same windows
/// in the same order give the same line to the bit: the order of visits comes from a fixed sequence.
pub fn fit(windows: &[&Window], cost: f64) -> Line {
    let mut line = Line { weights: vec![0.0; BUCKETS], bias: 0.0 };
    let bound: Vec<f64> = windows.iter().map(|window| cost * window.weight).collect();
    let square = |window: &&Window| {
        1.0 + window.features.iter().map(|(_, value)| f64::from(value * value)).sum::<f64>()
    };
    let squares: Vec<f64> = windows.iter().map(square).collect();
    let mut dual: Vec<f64> = bound.iter().map(|bound| bound * 0.001).collect();
    for (window, dual) in windows.iter().zip(&dual) {
        shift(&mut line, window, *dual);
    }
    let mut order: Vec<usize> = (0..windows.len()).collect();
    for round in 0..ROUNDS {
        order.sort_by_key(|number| mix(round << 32 | *number as u64));
        for &number in &order {
            let window = windows[number];
            let sign = if window.positive { 1.0 } else { -1.0 };
            let old = dual[number];
            let new = step(old, bound[number], squares[number], sign * line.score(window));
            dual[number] = new;
            shift(&mut line, window, new - old);
        }
    }
    line
}

/// The best value of one dual variable: the root of `square (z - old) + margin + ln(z / (bound - z))`.
fn step(old: f64, bound: f64, square: f64, margin: f64) -> f64 {
    let (low, high) = (bound * NEAREST, bound * (1.0 - NEAREST));
    let mut at = old.clamp(low, high);
    for _ in 0..STEPS {
        let slope = square * (at - old) + margin + (at / (bound - at)).ln();
        let curve = square + bound / (at * (bound - at));
        let next = at - slope / curve;
        // Newton's step may leave the interval: go most of the way to its end instead.
        at = match next {
            next if next <= low => (at * 0.1).max(low),
            next if next >= high => (bound - (bound - at) * 0.1).min(high),
            next => next,
        };
    }
    at
}

/// Moves the line by `amount` of a window.
fn shift(line: &mut Line, window: &Window, amount: f64) {
    let amount = if window.positive { amount } else { -amount };
    line.bias += amount;
    for &(bucket, value) in &window.features {
        line.weights[bucket as usize] += amount * f64::from(value);
    }
}

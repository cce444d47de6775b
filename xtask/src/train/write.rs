//! Writes a model file, in the form `inspect/firewall/model.rs` reads.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::Head;
use super::features::BUCKETS;

/// The most heads a model has.
pub const MAX_HEADS: usize = 4;

const NAME: usize = 16;

/// Writes heads and note.
pub fn write(path: &Path, note: &str, heads: &[Head]) -> Result<()> {
    let bytes = encode(note, heads)?;
    std::fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

fn encode(note: &str, heads: &[Head]) -> Result<Vec<u8>> {
    let length = u16::try_from(note.len()).context("the note is longer than 64 KiB")?;
    let mut out = b"GWNG\x01".to_vec();
    out.push(heads.len() as u8);
    out.extend(length.to_le_bytes());
    out.extend(note.as_bytes());
    let scales: Vec<f64> = heads.iter().map(scale).collect();
    for (head, scale) in heads.iter().zip(&scales) {
        ensure!(head.name.len() <= NAME, "the name {} is longer than {NAME} bytes", head.name);
        let mut name = [0; NAME];
        name[..head.name.len()].copy_from_slice(head.name.as_bytes());
        out.extend(name);
        for number in [head.line.bias, *scale, head.middle, head.slope] {
            out.extend((number as f32).to_le_bytes());
        }
    }
    for bucket in 0..BUCKETS {
        for (head, scale) in heads.iter().zip(&scales) {
            let weight = (head.line.weights[bucket] / scale).round().clamp(-127.0, 127.0);
            out.push(weight as i8 as u8);
        }
    }
    let sum = out.iter().fold(0xCBF2_9CE4_8422_2325u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    out.extend(sum.to_le_bytes());
    Ok(out)
}

/// What one step of a quantised weight is worth. The few largest weights are cut off, so that the many small ones keep
/// their sizes.
fn scale(head: &Head) -> f64 {
    let mut sizes: Vec<f64> = head.line.weights.iter().map(|weight| weight.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    (sizes[BUCKETS - BUCKETS / 1000] / 127.0).max(f64::MIN_POSITIVE)
}

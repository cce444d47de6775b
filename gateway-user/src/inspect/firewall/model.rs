//! The trained model: a linear score per head over hashed stretches of bytes, read from a file of quantised weights.
//!
//! The file, all numbers little-endian: `GWNG`, version (1), number of heads (1 to 4), length of the note (u16), the
//! note (UTF-8: data, date, figures); for each head its name (16 bytes, filled with zeros), bias, scale, middle and
//! slope (f32 each); then for each of the 2^15 buckets one i8 per head; then FNV-1a (u64) of all before.
//! `cargo xtask train` writes it.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::features::{self, BUCKETS};
use super::scorer::{MAX_HEADS, Scorer, Sums};

/// The model that comes with the gateway.
static BUILTIN: LazyLock<Arc<Model>> = LazyLock::new(|| {
    let read = Model::read(include_bytes!("../../../data/models/firewall.gwng"));
    Arc::new(read.expect("a test reads the built-in model"))
});

const MAGIC: &[u8; 4] = b"GWNG";
const VERSION: u8 = 1;
const NAME: usize = 16;
/// What a model file has at most: four heads and a note of 64 KiB.
const LARGEST: u64 = (MAX_HEADS * BUCKETS + (1 << 17)) as u64;
/// The probability at a head's middle.
const AT_MIDDLE: f32 = 0.7;

/// Why a model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Unreadable(std::io::Error),
    /// Not a file of this sort, or of another version.
    #[error("it is no model that `cargo xtask train` of this version wrote; train it again")]
    NotAModel,
    /// Cut off, or changed since it was written.
    #[error("it is damaged: its checksum does not fit; copy or train it again")]
    Damaged,
}

/// Opens the model file an operator names.
///
/// # Errors
/// When it cannot be read, is no model, or is damaged.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Scorer>, ModelError> {
    Ok(Box::new(Model::open(path)?))
}

/// A trained model.
pub(crate) struct Model {
    heads: Vec<Head>,
    weights: Vec<[i8; MAX_HEADS]>,
    note: String,
}

/// One thing a model tells.
struct Head {
    name: String,
    bias: f32,
    scale: f32,
    middle: f32,
    slope: f32,
}

impl Model {
    /// The model that comes with the gateway.
    pub fn builtin() -> Arc<Model> {
        Arc::clone(&BUILTIN)
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// When it cannot be read, is no model, or is damaged.
    fn open(path: &Path) -> Result<Model, ModelError> {
        let size = std::fs::metadata(path).map_err(ModelError::Unreadable)?.len();
        if size > LARGEST {
            return Err(ModelError::NotAModel);
        }
        Model::read(&std::fs::read(path).map_err(ModelError::Unreadable)?)
    }

    /// Reads the bytes of a model file.
    ///
    /// # Errors
    /// When it is no model, or is damaged.
    pub fn read(bytes: &[u8]) -> Result<Model, ModelError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(ModelError::NotAModel)?;
        let (body, sum) = bytes.split_last_chunk::<8>().ok_or(ModelError::Damaged)?;
        if take::<1>(&mut rest)? != [VERSION] {
            return Err(ModelError::NotAModel);
        }
        if u64::from_le_bytes(*sum) != checksum(body) {
            return Err(ModelError::Damaged);
        }
        let [count] = take::<1>(&mut rest)?;
        if !(1..=MAX_HEADS as u8).contains(&count) {
            return Err(ModelError::NotAModel);
        }
        let length = usize::from(u16::from_le_bytes(take::<2>(&mut rest)?));
        let (note, tail) = rest.split_at_checked(length).ok_or(ModelError::Damaged)?;
        rest = tail;
        let heads = (0..count).map(|_| Head::read(&mut rest)).collect::<Result<Vec<_>, _>>()?;
        let count = usize::from(count);
        if rest.len() != count * BUCKETS + 8 {
            return Err(ModelError::Damaged);
        }
        let one = |of: &[u8]| std::array::from_fn(|head| of.get(head).map_or(0, |&weight| weight as i8));
        let weights = rest[..count * BUCKETS].chunks_exact(count).map(one).collect();
        Ok(Model { heads, weights, note: String::from_utf8_lossy(note).into_owned() })
    }
}

impl Scorer for Model {
    fn head(&self, name: &str) -> Option<usize> {
        self.heads.iter().position(|head| head.name == name)
    }

    fn look(&self, segment: &[u8]) -> Sums {
        let mut heads = [0i32; MAX_HEADS];
        let weights = &self.weights[..BUCKETS];
        let count = features::each(segment, |bucket| {
            let weights = weights[bucket & (BUCKETS - 1)];
            (0..MAX_HEADS).for_each(|head| heads[head] += i32::from(weights[head]));
        });
        Sums { count, heads }
    }

    fn probability(&self, head: usize, before: Sums, now: Sums) -> f32 {
        let Head { bias, scale, middle, slope, .. } = self.heads[head];
        let (count, sum) = (before.count + now.count, before.heads[head] + now.heads[head]);
        let score = bias + scale * sum as f32 / (count.max(1) as f32).sqrt();
        let logit = (AT_MIDDLE / (1.0 - AT_MIDDLE)).ln() + slope * (score - middle);
        1.0 / (1.0 + (-logit).exp())
    }

    fn note(&self) -> &str {
        &self.note
    }

    fn memory(&self) -> usize {
        self.weights.len() * MAX_HEADS
    }
}

impl Head {
    fn read(rest: &mut &[u8]) -> Result<Head, ModelError> {
        let name = take::<NAME>(rest)?;
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(NAME);
        let name = String::from_utf8_lossy(&name[..end]).into_owned();
        let mut number = || take::<4>(rest).map(f32::from_le_bytes);
        let head = Head { name, bias: number()?, scale: number()?, middle: number()?, slope: number()? };
        let sound = [head.bias, head.scale, head.middle, head.slope].iter().all(|number| number.is_finite());
        if sound { Ok(head) } else { Err(ModelError::Damaged) }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ModelError> {
    let (first, tail) = rest.split_first_chunk::<N>().ok_or(ModelError::Damaged)?;
    *rest = tail;
    Ok(*first)
}

/// FNV-1a, 64 bits: finds damage, not malice.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

impl std::fmt::Debug for Model {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let heads: Vec<&str> = self.heads.iter().map(|head| head.name.as_str()).collect();
        out.debug_struct("Model").field("heads", &heads).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;

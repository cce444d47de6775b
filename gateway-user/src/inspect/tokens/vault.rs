//! Which value each token stands for: bounded, expiring, the least recently seen forgotten first.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;

use super::form::{self, Code};
use super::held::{Entry, Held};
use super::kept::{Kept, Owner, Place, Standing};
use super::known::Known;

/// Longest value that gets a token, in bytes; longer ones are masked.
pub const MAX_VALUE: usize = 16 * 1024;

/// Bytes of all values together; beyond it those not seen for longest are forgotten.
pub const MOST_BYTES: usize = 64 << 20;

/// How many codes are tried for a value, where others have them or they look like numbers.
const TRIES: u8 = 64;

/// A use is written down when this part of the time to live has passed since the last one was.
const WRITE_PART: u64 = 16;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most tokens of all principals.
    pub entries: usize,
    /// Most bytes of all values, see [`MOST_BYTES`].
    pub bytes: usize,
    /// Seconds that a token is good after its value was last seen.
    pub ttl: u64,
}

/// What to write down: the place now holds this, or nothing.
pub type Change = (Place, Option<Kept>);

/// Takes changes, to write them down. It is called under a lock and must neither wait nor call the vault.
pub type OnChange = Box<dyn Fn(Change) + Send + Sync>;

/// All tokens of a gateway. One lock, taken once for each value found in a request and each token in a reply.
pub struct Vault {
    key: hmac::Key,
    bounds: Bounds,
    held: Mutex<Held>,
    on_change: OnChange,
}

impl fmt::Debug for Vault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Vault").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault whose tokens are made with `key`, holding what was written down before, in the order it was last seen.
    pub fn new(
        key: &[u8; 32],
        bounds: Bounds,
        written: impl IntoIterator<Item = (Place, Kept)>,
        on_change: OnChange,
    ) -> Vault {
        let mut held = Held::default();
        for (place, kept) in written {
            let seen = kept.seen;
            held.insert(place, kept, seen);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Vault { key, bounds, held: Mutex::new(held), on_change }
    }

    /// Who the values of an app and a credential's digest belong to.
    pub fn owner(&self, app: &str, credential: Option<&str>) -> Owner {
        let credential = credential.unwrap_or_default();
        let tag =
            self.tag(&[b"owner", &(app.len() as u64).to_be_bytes(), app.as_bytes(), credential.as_bytes()]);
        Owner(std::array::from_fn(|at| tag[at]))
    }

    /// How many tokens are kept.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The token of a value found by `rule`: the same whenever it is found again. `None` for what is longer than
    /// [`MAX_VALUE`], and where others have every code that is tried. `alone` says, for a new value, whether its rule finds
    /// it by itself; it must not call the vault.
    pub fn token(
        &self,
        owner: Owner,
        rule: &str,
        value: &str,
        now: u64,
        alone: impl FnOnce() -> bool,
    ) -> Option<String> {
        if value.len() > MAX_VALUE {
            return None;
        }
        let mut held = self.lock();
        let place = (0..TRIES).find_map(|attempt| {
            let tag = self.tag(&[
                b"token",
                &owner.0,
                &[attempt, rule.len() as u8],
                rule.as_bytes(),
                value.as_bytes(),
            ]);
            let place = Place { owner, code: Code::of(&std::array::from_fn(|at| tag[at]))? };
            let is_own = |entry: &Entry| *entry.kept.rule == *rule && *entry.kept.value == *value;
            held.entries.get(&place).is_none_or(is_own).then_some(place)
        })?;
        if !self.renew(&mut held, place, now) {
            let standing = if alone() { Standing::Alone } else { Standing::Around };
            let kept = Kept { rule: rule.into(), value: value.into(), seen: now, standing };
            held.insert(place, kept.clone(), now);
            (self.on_change)((place, Some(kept)));
            self.trim(&mut held, now);
        }
        Some(form::write(&form::name(rule), place.code))
    }

    /// The value a token stands for. `None` for what is no token, for one that nobody was given or that has expired,
    /// and for one of another owner.
    pub fn value(&self, owner: Owner, token: &[u8], now: u64) -> Option<Arc<str>> {
        let (name, code) = form::parse(token)?;
        let place = Place { owner, code };
        let mut held = self.lock();
        let entry = held.entries.get_mut(&place).filter(|entry| form::name(&entry.kept.rule) == name)?;
        if entry.kept.seen + self.bounds.ttl < now {
            return None;
        }
        let value = Arc::clone(&entry.kept.value);
        if entry.kept.standing == Standing::Around {
            entry.kept.standing = Standing::Known;
            (self.on_change)((place, Some(entry.kept.clone())));
            held.learn(place);
        }
        self.renew(&mut held, place, now);
        Some(value)
    }

    /// The search for what an owner may send again in any place; `None` where there is nothing of that sort.
    pub fn known(&self, owner: Owner) -> Option<Arc<Known>> {
        self.lock().known(owner)
    }

    /// Notes that an entry was seen; false where there is none.
    fn renew(&self, held: &mut Held, place: Place, now: u64) -> bool {
        let Some(entry) = held.touch(place) else { return false };
        entry.kept.seen = entry.kept.seen.max(now);
        if now >= entry.written + self.bounds.ttl / WRITE_PART {
            entry.written = now;
            (self.on_change)((place, Some(entry.kept.clone())));
        }
        true
    }

    /// Forgets what has expired and what is too much.
    fn trim(&self, held: &mut Held, now: u64) {
        while let Some((_, place)) = held.order.first_key_value() {
            let place = *place;
            let expired =
                held.entries.get(&place).is_none_or(|entry| entry.kept.seen + self.bounds.ttl < now);
            let full = held.entries.len() > self.bounds.entries || held.bytes > self.bounds.bytes;
            if !expired && !full {
                return;
            }
            held.remove(place);
            (self.on_change)((place, None));
        }
    }

    fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        parts.iter().for_each(|part| context.update(part));
        let tag = context.sign();
        std::array::from_fn(|at| tag.as_ref()[at])
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Entries and their order change together, and nothing between the two can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

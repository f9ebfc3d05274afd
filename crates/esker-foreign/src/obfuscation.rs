//! Bitcoin Core's mask over the values of its databases (`src/dbwrapper.cpp` there): each value is
//! XORed with eight bytes, again and again. They stand, unmasked, under a key of their own.

use crate::database::Database;
use crate::entry::ForeignKind;
use crate::footer::Engine;
use esker::Error;
use std::str::FromStr;
use std::sync::Arc;

/// The key under which Bitcoin Core keeps the mask: a string with its length in front.
const STORED_KEY: &[u8] = b"\x0e\0obfuscate_key";
/// Bytes of its mask, which stand behind one byte that says so.
const STORED_LEN: usize = 8;

/// Whether values are masked, as Bitcoin Core masks them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obfuscation {
    /// With the mask that a LevelDB database holds under Bitcoin Core's key for it, where it does;
    /// a notice says so. A table alone is read as it stands. The default.
    #[default]
    Stored,
    /// Not at all.
    None,
    /// With these bytes, again and again.
    Mask(Vec<u8>),
}

impl FromStr for Obfuscation {
    type Err = String;

    /// Reads `stored`, `none`, or the mask in hexadecimal digits.
    fn from_str(text: &str) -> Result<Obfuscation, String> {
        match text {
            "stored" => Ok(Obfuscation::Stored),
            "none" => Ok(Obfuscation::None),
            digits => match unhex(digits) {
                Some(mask) if !mask.is_empty() => Ok(Obfuscation::Mask(mask)),
                _ => Err(format!("{text}: no mask; stored, none and hexadecimal digits are")),
            },
        }
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8));
    if rest.is_empty() { bytes.collect() } else { None }
}

/// What is XORed with the values.
#[derive(Clone, Debug)]
pub(crate) struct Mask(Arc<[u8]>);

impl Mask {
    /// The mask that was chosen, if it changes anything.
    pub(crate) fn chosen(obfuscation: &Obfuscation) -> Option<Mask> {
        match obfuscation {
            Obfuscation::Mask(bytes) => Mask::of(bytes),
            Obfuscation::Stored | Obfuscation::None => None,
        }
    }

    fn of(bytes: &[u8]) -> Option<Mask> {
        bytes.iter().any(|&byte| byte != 0).then(|| Mask(bytes.into()))
    }

    /// Takes the mask off the `value` of `key`, or puts it on.
    pub(crate) fn apply(&self, key: &[u8], kind: ForeignKind, value: &mut [u8]) {
        if kind == ForeignKind::Put && key != STORED_KEY {
            let mask = self.0.iter().cycle();
            value.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        }
    }
}

/// The mask that `database` holds, or what readers should know if that cannot be told.
fn stored(database: &Database) -> Result<Option<Mask>, Error> {
    if database.engine() != Engine::LevelDb {
        return Ok(None);
    }
    let value = database.get(STORED_KEY)?;
    let mask = value.as_deref().and_then(|value| value.strip_prefix(&[STORED_LEN as u8]));
    Ok(mask.filter(|mask| mask.len() == STORED_LEN).and_then(Mask::of))
}

/// Takes the mask off all values of `database`, which is new and has no clones: the one that was
/// chosen, or the one that it holds.
pub(crate) fn unmask(database: &mut Database, obfuscation: &Obfuscation) {
    let (mask, notice) = match obfuscation {
        Obfuscation::Stored => match stored(database) {
            Ok(mask) => (mask, "values are XORed with the mask that it holds, as Bitcoin Core's"),
            // What it is about is told when it is read.
            Err(_) => (None, "whether its values are masked cannot be told"),
        },
        chosen => (Mask::chosen(chosen), "values are XORed with the mask that was chosen"),
    };
    let could_not_tell = notice.starts_with("whether");
    let Some(inner) = Arc::get_mut(&mut database.0) else { return };
    if mask.is_some() || could_not_tell {
        inner.notices.push(format!("{}: {notice}", inner.path.display()));
    }
    let Some(mask) = mask else { return };
    if let Some(memory) = Arc::get_mut(&mut inner.memory) {
        memory.unmask(&mask);
    }
    if let Some(tables) = Arc::get_mut(&mut inner.tables) {
        tables.unmask(mask);
    }
}

//! Steps for what lives beside reads and writes: rest, tables from elsewhere, copies, places that
//! are held for long, one that reads from outside.

use super::model::{State, difference};
use super::run::{Checked, Held, Runner, scan};
use super::script::{Change, batch, key_bytes};
use super::store::{Level, Pair};

/// Places held at a time.
const PLACES_MAX: usize = 3;

/// The first pair of `state` that is at least `key`.
fn first_from(state: &State, key: &[u8]) -> Option<Pair> {
    let mut from = state.range(key.to_vec()..);
    from.next().map(|(key, value)| (key.clone(), value.clone()))
}

/// The pair of `state` next to `key`.
fn next_to(state: &State, key: &[u8], is_back: bool) -> Option<Pair> {
    let found = match is_back {
        true => state.range(..key.to_vec()).next_back(),
        false => state.range(key.to_vec()..).find(|(found, _)| found[..] > *key),
    };
    found.map(|(key, value)| (key.clone(), value.clone()))
}

impl Runner<'_> {
    pub(super) fn rest(&mut self) -> Checked {
        self.ensure_open()?;
        self.attempt(|store| store.rest(), None).map(drop)
    }

    pub(super) fn ingest(&mut self, changes: &[Change]) -> Checked {
        if !self.can_write()? {
            return Ok(());
        }
        let batch = batch(changes);
        if self.attempt(|store| store.ingest(&batch), Some(&batch))?.is_some() {
            self.report.acknowledged += 1;
            self.model.acknowledge(batch, Level::Power);
            return self.note_sequence(Level::Power);
        }
        // Whether a failed one is on disk shows at the next opening.
        if self.model.open() > 0 { self.reopen() } else { Ok(()) }
    }

    pub(super) fn copy(&mut self) -> Checked {
        if !self.settled()? {
            return Ok(());
        }
        let Some(found) = self.attempt(|store| store.copy(), None)?.flatten() else {
            return Ok(());
        };
        // A checkpoint flushes.
        self.model.harden();
        self.note_sequence(Level::Power)?;
        let (live, found) = (self.model.live(), found.into_iter().collect());
        if *live == found { Ok(()) } else { Err(format!("a copy: {}", difference(live, &found))) }
    }

    pub(super) fn take_place(&mut self) -> Checked {
        if !self.settled()? {
            return Ok(());
        }
        let Some(place) = self.store.as_ref().and_then(|store| store.place()) else {
            return Ok(());
        };
        if self.places.len() >= PLACES_MAX {
            // The oldest lives on.
            self.places.truncate(1);
        }
        self.places.push_back(Held { place, at: None, state: self.model.live().clone() });
        Ok(())
    }

    /// Moves every place that is held.
    pub(super) fn move_places(&mut self) -> Checked {
        let mut places = std::mem::take(&mut self.places);
        let moved = places.iter_mut().try_for_each(|held| self.move_place(held));
        // A crash that a move met shows at the next call.
        self.places = places;
        moved
    }

    fn move_place(&mut self, held: &mut Held) -> Checked {
        let is_back = self.random.chance(1, 2);
        let (moved, expected) = match &held.at {
            Some(at) if self.random.chance(3, 4) => {
                (held.place.step(is_back), next_to(&held.state, at, is_back))
            }
            _ => {
                let key = key_bytes(self.random.below(u64::from(super::run::KEYS)) as u32);
                (held.place.seek(&key), first_from(&held.state, &key))
            }
        };
        held.at = None;
        match moved {
            Err(error) => self.excuse(error),
            Ok(found) if found != expected => {
                let show = |pair: Option<Pair>| pair.map(|pair| pair.0.escape_ascii().to_string());
                let (expected, found) = (show(expected), show(found));
                Err(format!("a place that was held: expected {expected:?}, found {found:?}"))
            }
            Ok(found) => {
                held.at = found.map(|pair| pair.0);
                Ok(())
            }
        }
    }

    pub(super) fn read_beside(&mut self) -> Checked {
        let reader = self.reader.take().map(|(reader, _)| reader);
        let opened = self.attempt(
            |store| match reader {
                Some(reader) => reader.refresh().map(|()| Some(reader)),
                None => store.reader(),
            },
            None,
        )?;
        let Some(reader) = opened.flatten() else { return Ok(()) };
        match scan(&*reader, false) {
            Ok(found) => {
                self.model.check_beside(&found).map_err(|e| format!("read beside: {e}"))?;
                self.reader = Some((reader, found));
                Ok(())
            }
            Err(error) => self.excuse(error),
        }
    }
}

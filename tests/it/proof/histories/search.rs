//! The search for an order of the calls that explains every answer.

use std::collections::HashSet;

use super::calls::{Call, Reply};
use super::model::{Model, Rules};

/// One way in which everything may have happened so far: the state, and which of the open calls
/// have happened already.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Way {
    model: Model,
    happened: u64,
}

/// The calls that have begun and not ended, each with the bit that it has in [`Way::happened`].
#[derive(Default)]
struct Open<'c> {
    calls: Vec<(usize, u64, &'c Call)>,
    used: u64,
}

impl<'c> Open<'c> {
    fn begin(&mut self, place: usize, call: &'c Call) {
        assert!(self.used != u64::MAX, "more than 64 calls at a time");
        let bit = 1 << self.used.trailing_ones();
        self.used |= bit;
        self.calls.push((place, bit, call));
    }

    fn end(&mut self, place: usize) -> u64 {
        let index = self.calls.iter().position(|(other, ..)| *other == place);
        let (_, bit, _) = self.calls.swap_remove(index.expect("it has begun"));
        self.used &= !bit;
        bit
    }
}

/// Whether some order explains all answers; else what could not be explained.
pub(super) fn explain(calls: &[Call], rules: Rules) -> Result<(), String> {
    let mut moments = Vec::with_capacity(2 * calls.len());
    for (place, call) in calls.iter().enumerate() {
        // Of two moments that the clock does not tell apart, beginnings come first.
        moments.push((call.start, false, place));
        moments.push((call.end, true, place));
    }
    moments.sort_unstable();
    let mut open = Open::default();
    let mut ways = HashSet::from([Way {
        model: Model::default(),
        happened: 0,
    }]);
    for (_, is_end, place) in moments {
        let call = &calls[place];
        if !is_end {
            open.begin(place, call);
            continue;
        }
        let bit = open
            .calls
            .iter()
            .find(|(other, ..)| *other == place)
            .map(|(_, bit, _)| *bit);
        let bit = bit.expect("it has begun");
        let mut next = with(&ways, bit, &open, rules);
        if call.reply.is_none() {
            // It may as well never have happened.
            next.extend(ways.iter().cloned());
        }
        if next.is_empty() {
            return Err(unexplained(call, &ways, &open));
        }
        open.end(place);
        ways = next.into_iter().map(|way| without(way, bit)).collect();
    }
    Ok(())
}

fn without(way: Way, bit: u64) -> Way {
    Way {
        happened: way.happened & !bit,
        ..way
    }
}

/// All ways in which the call with this bit has happened.
fn with(ways: &HashSet<Way>, bit: u64, open: &Open<'_>, rules: Rules) -> HashSet<Way> {
    let (mut found, mut seen) = (HashSet::new(), ways.clone());
    let mut to_do: Vec<Way> = ways.iter().cloned().collect();
    while let Some(way) = to_do.pop() {
        if way.happened & bit != 0 {
            found.insert(way);
            continue;
        }
        for (_, other, call) in open
            .calls
            .iter()
            .filter(|(_, it, _)| way.happened & it == 0)
        {
            let mut next = Way {
                happened: way.happened | other,
                ..way.clone()
            };
            if happens(&mut next.model, call, rules) && seen.insert(next.clone()) {
                to_do.push(next);
            }
        }
    }
    found
}

/// Whether a call can happen now, with the answer that it had.
fn happens(model: &mut Model, call: &Call, rules: Rules) -> bool {
    match &call.reply {
        Some(Reply::GaveUp) => true,
        Some(reply) => model.answer(&call.what, rules) == *reply,
        None => {
            model.answer(&call.what, rules);
            true
        }
    }
}

fn unexplained(call: &Call, ways: &HashSet<Way>, open: &Open<'_>) -> String {
    use std::fmt::Write as _;
    let mut text = format!("no order of the calls explains {call:?}\nat the same time:");
    for (_, _, other) in &open.calls {
        let _ = write!(text, "\n  {other:?}");
    }
    text += "\nbefore them it was one of";
    for way in ways.iter().take(5) {
        let _ = write!(text, "\n  {:?} with {:b}", way.model, way.happened);
    }
    text
}

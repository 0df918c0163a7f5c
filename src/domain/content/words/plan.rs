//! From what the index has of a state, and what it should have, to steps that lead there.

use std::collections::{BTreeMap, HashMap};

use crate::model::search::{Findable, FoundKind};
use crate::store::WordsStep;

type EntryKey = (FoundKind, String);

/// The steps from one list of entries to another. After each of them the words that were gained and
/// not lost are those of the entries that are there.
pub(super) fn steps(had: Vec<Findable>, has: Vec<Findable>) -> Vec<WordsStep> {
    let mut words = Words::default();
    for entry in &had {
        words.add(entry);
    }
    let by_place = |entries: Vec<Findable>| -> BTreeMap<EntryKey, Findable> {
        let placed = entries.into_iter();
        placed
            .map(|entry| ((entry.kind, entry.address.clone()), entry))
            .collect()
    };
    let (mut old, new) = (by_place(had), by_place(has));
    let mut steps = Vec::new();
    for (place, made) in new {
        let removed = old.remove(&place);
        if removed.as_ref() == Some(&made) {
            continue;
        }
        let gained = words.add(&made);
        let lost = removed.as_ref().map(|removed| words.remove(removed));
        steps.push(WordsStep {
            removed: removed.map(|_| place),
            made: Some(made),
            lost: lost.unwrap_or_default(),
            gained,
        });
    }
    for (place, removed) in old {
        steps.push(WordsStep {
            removed: Some(place),
            made: None,
            lost: words.remove(&removed),
            gained: Vec::new(),
        });
    }
    steps
}

/// How many entries of a state have each word.
#[derive(Default)]
struct Words(HashMap<String, usize>);

impl Words {
    /// The words that no other entry has.
    fn add(&mut self, entry: &Findable) -> Vec<String> {
        let mut gained = Vec::new();
        for word in entry.indexed_words() {
            let count = self.0.entry(word.clone()).or_default();
            *count += 1;
            if *count == 1 {
                gained.push(word);
            }
        }
        gained
    }

    /// The words that no entry has any more.
    fn remove(&mut self, entry: &Findable) -> Vec<String> {
        let mut lost = Vec::new();
        for word in entry.indexed_words() {
            let count = self.0.get_mut(&word).map_or(0, |count| {
                *count = count.saturating_sub(1);
                *count
            });
            if count == 0 {
                self.0.remove(&word);
                lost.push(word);
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::search::FoundText;

    fn entry(address: &str, value: &str) -> Findable {
        Findable {
            kind: FoundKind::Resource,
            address: address.to_owned(),
            resource_type: None,
            provider: None,
            texts: vec![FoundText {
                path: "id".to_owned(),
                value: value.to_owned(),
            }],
        }
    }

    #[test]
    fn only_what_differs_is_written() {
        let had = vec![entry("a", "one"), entry("b", "two"), entry("c", "one")];
        let has = vec![
            entry("a", "one"),
            entry("b", "three one"),
            entry("d", "four"),
        ];
        let steps = steps(had, has);
        let told = steps.iter().map(|step| {
            let removed = step.removed.as_ref().map(|(_, address)| address.as_str());
            let made = step.made.as_ref().map(|made| made.address.as_str());
            (removed, made, step.gained.join(","), step.lost.join(","))
        });
        let told: Vec<_> = told.collect();
        let line = |removed, made, gained: &str, lost: &str| {
            (removed, made, gained.to_owned(), lost.to_owned())
        };
        assert_eq!(
            told,
            [
                line(Some("b"), Some("b"), "three one", "two"),
                line(None, Some("d"), "d,four", ""),
                line(Some("c"), None, "", "c"),
            ],
            "the word one is in other entries all the time"
        );
    }
}

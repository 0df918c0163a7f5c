//! What `/metrics` says, taken apart as Prometheus does: samples with their names, labels and
//! values.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, Server, eventually};

/// One look at `/metrics`.
pub struct Scrape {
    pub text: String,
    pub samples: Vec<Sample>,
}

/// One line of it that is no comment.
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: String,
}

/// Somebody who may look at `/metrics`, with a token: looking costs no argon2 and writes nothing.
pub fn monitor(server: &Server) -> Client {
    server.token(&server.key("", "monitor"), json!({}))
}

impl Scrape {
    pub fn of(monitor: &Client) -> Self {
        let text = monitor.get("/metrics").expect_status(200).text();
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(parse)
            .collect();
        Self { text, samples }
    }

    /// The samples of a name that have at least these labels.
    pub fn having<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&str, &str)],
    ) -> impl Iterator<Item = &'a Sample> {
        let fits = |sample: &&Sample| {
            labels.iter().all(|(label, value)| {
                sample
                    .labels
                    .get(*label)
                    .is_some_and(|found| found == value)
            })
        };
        self.samples
            .iter()
            .filter(move |sample| sample.name == name)
            .filter(fits)
    }

    /// Their values, which are whole numbers, added up; 0 where there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.having(name, labels)
            .map(|sample| sample.value.parse::<u64>().expect("a whole number"))
            .sum()
    }

    /// The value of the one sample without labels that has to be there.
    #[track_caller]
    pub fn value(&self, name: &str) -> u64 {
        assert_eq!(self.having(name, &[]).count(), 1, "{name} in {}", self.text);
        self.sum(name, &[])
    }

    /// The same for seconds, which have a fraction.
    #[track_caller]
    pub fn seconds(&self, name: &str) -> Duration {
        let sample = self
            .having(name, &[])
            .next()
            .unwrap_or_else(|| panic!("{name} in {}", self.text));
        Duration::from_secs_f64(sample.value.parse().expect("a number"))
    }

    /// The values of one label of a name.
    pub fn labels(&self, name: &str, label: &str) -> BTreeSet<String> {
        self.having(name, &[])
            .filter_map(|sample| sample.labels.get(label).cloned())
            .collect()
    }
}

fn parse(line: &str) -> Sample {
    let (series, value) = line
        .rsplit_once(' ')
        .unwrap_or_else(|| panic!("a sample without a value: {line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    Sample {
        name: name.to_owned(),
        labels: parse_labels(labels, line),
        value: value.to_owned(),
    }
}

/// `a="x",b="y"}`, where a value may hold anything behind backslashes.
fn parse_labels(text: &str, line: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while rest != "}" {
        let (label, after) = rest
            .split_once("=\"")
            .unwrap_or_else(|| panic!("malformed labels: {line}"));
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next() {
                Some((at, '"')) => break at,
                Some((_, '\\')) => value.extend(characters.next().map(|(_, escaped)| escaped)),
                Some((_, plain)) => value.push(plain),
                None => panic!("a label without its end: {line}"),
            }
        };
        assert!(
            labels.insert(label.to_owned(), value).is_none(),
            "a label twice: {line}"
        );
        let after = &after[end + 1..];
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    labels
}

/// The bytes that are reserved at this moment.
pub fn in_flight(monitor: &Client) -> u64 {
    Scrape::of(monitor).value("statekeep_in_flight_bytes")
}

/// Waits until exactly so many bytes are reserved.
#[track_caller]
pub fn eventually_in_flight(monitor: &Client, bytes: u64, when: &str) {
    eventually(&format!("{bytes} bytes are reserved: {when}"), || {
        in_flight(monitor) == bytes
    });
}

/// Waits until nothing is reserved any more.
#[track_caller]
pub fn eventually_all_is_back(monitor: &Client, when: &str) {
    eventually_in_flight(monitor, 0, when);
}

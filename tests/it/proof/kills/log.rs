//! What the event log says of requests: which events each of them has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Found;
use crate::harness::Client;

/// The ids of our requests begin like this.
pub(super) const PREFIX: &str = "act-";
const PAGE: usize = 1000;

/// The events of the latest look, and how many of each kind there were in all.
#[derive(Default)]
pub(super) struct EventLog {
    read_up_to: u64,
    latest: BTreeMap<String, Vec<String>>,
    counts: BTreeMap<String, u64>,
}

impl EventLog {
    /// Reads what came since the look before.
    pub(super) fn read_on(&mut self, admin: &Client) -> Found {
        self.latest.clear();
        let (mut before, mut newest) = (String::new(), self.read_up_to);
        loop {
            let page = admin.events(&before);
            for event in &page {
                let seq = event["seq"].as_u64().ok_or("an event without a number")?;
                newest = newest.max(seq);
                self.note_new(seq, event);
            }
            let oldest = page.last().and_then(|event| event["seq"].as_u64());
            match oldest {
                Some(oldest) if page.len() == PAGE && oldest > self.read_up_to => {
                    before = format!("before={oldest}");
                }
                _ => break,
            }
        }
        self.read_up_to = newest;
        Ok(())
    }

    /// Notes an event that came since the look before.
    fn note_new(&mut self, seq: u64, event: &Value) {
        if seq > self.read_up_to {
            self.note(&event["request_id"], &event["kind"]);
        }
    }

    fn note(&mut self, request: &serde_json::Value, kind: &serde_json::Value) {
        let kind = kind.as_str().unwrap_or_default().to_owned();
        *self.counts.entry(kind.clone()).or_default() += 1;
        if let Some(request) = request.as_str().filter(|id| id.starts_with(PREFIX)) {
            // The log is read from its end.
            let kinds = self.latest.entry(request.to_owned()).or_default();
            kinds.insert(0, kind);
        }
    }

    /// How many events of a kind there are in all.
    pub(super) fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// The kinds of a request's events.
    pub(super) fn of(&self, request: &str) -> &[String] {
        self.latest.get(request).map_or(&[], Vec::as_slice)
    }

    /// That no request has an event but those that were sent.
    pub(super) fn nothing_else(&self, sent: &BTreeSet<String>) -> Found {
        match self.latest.keys().find(|id| !sent.contains(*id)) {
            Some(id) => Err(format!(
                "an event of {id}, which nobody sent since the last kill"
            )),
            None => Ok(()),
        }
    }
}

//! The chain of events: whether it holds, and whether it has the heads that were noted elsewhere.

use crate::domain::error::Error;
use crate::domain::integrity::findings::Code;
use crate::domain::integrity::walk::step::Walk;
use crate::model::event_head::EventHead;
use crate::store::{ChainPlace, NotedBy, NotedHead, View};

/// How many events one step reads.
const ROWS_PER_STEP: u32 = 500;

impl Walk<'_> {
    /// Follows the chain to its end. It has to have the head that the caller has noted, and the one
    /// that the anchor told of at the start.
    pub(super) async fn events(&mut self, head: Option<EventHead>) -> Result<(), Error> {
        let noted = |head, by| NotedHead { head, by };
        let anchored = self.on.engine.store.anchored_event();
        let noted: Vec<NotedHead> = head
            .map(|head| noted(head, NotedBy::Caller))
            .into_iter()
            .chain(anchored.map(|head| noted(head, NotedBy::Anchor)))
            .collect();
        let mut next = Some(ChainPlace::START);
        while let Some(from) = next {
            let noted = noted.clone();
            let read = move |view: &View<'_>| view.follow_events(from, &noted, ROWS_PER_STEP);
            let Some(step) = self.step("the events", read).await? else {
                break;
            };
            self.tally.checked.events += step.events;
            for fault in step.faults {
                self.find(Code::EventChain, &fault);
            }
            next = step.next;
        }
        Ok(())
    }
}

//! What is told of a run that does not come to its end, because its caller goes away, the server
//! stops, or something fails: the event of a run, with what it had removed by then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use crate::domain::access::{Acted, Acting};
use crate::domain::engine::Engine;
use crate::domain::retention::asked::PruneRequest;
use crate::model::actor::Actor;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::event::{EventKind, NewEvent};
use crate::store::{Queue, Touches, Tx};

/// A run under way. If it is dropped before its end, the event log has it as cut off.
pub(super) struct RunUnderWay {
    queue: Queue,
    acting: Acting,
    asked: PruneRequest,
    /// How many versions were removed. Each step writes it, in its own transaction.
    pub(super) removed: Arc<AtomicU64>,
    has_ended: bool,
}

impl RunUnderWay {
    /// A run that begins.
    pub(super) fn begin(engine: &Engine, caller: &Caller, asked: &PruneRequest) -> Self {
        Self {
            queue: engine.store.queue().of(caller.key()),
            acting: Acting::of(engine, caller),
            asked: asked.clone(),
            removed: Arc::default(),
            has_ended: false,
        }
    }

    /// The run is at its end, and tells of itself.
    pub(super) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for RunUnderWay {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let (acting, asked) = (self.acting.clone(), self.asked.clone());
        let removed = Arc::clone(&self.removed);
        let tell = move |tx: &Tx<'_>| {
            let removed = removed.load(Ordering::Relaxed);
            if removed == 0 && acting.caller().actor == Actor::server() {
                return Ok(Ok(()));
            }
            acting.run(tx, |tx, by| record(tx, by, &asked, removed))
        };
        let told = |outcome: Acted<()>| match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "no event tells of a run that was cut off"),
            Err(error) => tracing::warn!(%error, "no event tells of a run that was cut off"),
        };
        self.queue.write(Touches::NoState, 0, tell, told);
    }
}

fn record(tx: &Tx<'_>, by: LiveCaller<'_>, asked: &PruneRequest, removed: u64) -> Acted<()> {
    let detail = json!({ "policy": asked.policy, "removed": removed, "cut_off": true });
    tx.record(&run_event(by, tx, asked).detail(detail))?;
    Ok(Ok(()))
}

/// The event of a run, without what it has to say.
pub(super) fn run_event(by: LiveCaller<'_>, tx: &Tx<'_>, asked: &PruneRequest) -> NewEvent {
    NewEvent {
        workspace: asked.workspace.as_ref().map(ToString::to_string),
        block: asked.block.as_ref().map(ToString::to_string),
        ..NewEvent::new(EventKind::RetentionRun, by, tx.now())
    }
}

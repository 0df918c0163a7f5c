//! What is decided about deliveries, without a database or a network: which event is next, what an
//! answer means, when it is tried again, and when a hook fails for so long that a person is told.

use std::time::Duration;

use crate::model::clock::Timestamp;
use crate::model::event::Event;
use crate::model::hook::{Delivery, DeliveryOutcome, Hook};

/// The pause after the first try; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// For how long a delivery is tried.
pub const TRIED_FOR: Duration = Duration::from_hours(72);
/// How often a receiver may refuse a delivery until it is given up.
pub const MAX_REFUSALS: u32 = 10;
/// How many events may wait for a hook. Of more, the oldest are missed.
pub const MAX_BEHIND: u64 = 100_000;
/// After how long a hook that fails is a problem of the server.
pub(super) const FAILS_AFTER: Duration = Duration::from_mins(10);
/// After how long it is an event for a person.
const TOLD_AFTER: Duration = Duration::from_hours(1);
/// How often it is one, at most.
const TOLD_EVERY: Duration = Duration::from_hours(24);

/// What a look at the log finds for a hook.
#[derive(Debug, Default)]
pub(super) struct NextEvent {
    /// The last place that needs no more looks.
    pub(super) upto: u64,
    /// How many events on the way there are gone.
    pub(super) missed: u64,
    /// The event behind it that the hook is to be told of.
    pub(super) event: Option<Event>,
}

/// The first event of a page that a hook wants. The page begins behind a place, and was read up to
/// another one. Places of which there is no event are of events that are gone.
pub(super) fn next_of(hook: &Hook, from: u64, page: Vec<Event>, read_to: Option<u64>) -> NextEvent {
    let mut next = NextEvent {
        upto: from,
        ..NextEvent::default()
    };
    for event in page {
        next.missed += event.seq.saturating_sub(next.upto).saturating_sub(1);
        if hook.wants(&event) {
            next.upto = event.seq.saturating_sub(1);
            next.event = Some(event);
            return next;
        }
        next.upto = event.seq;
    }
    // Damaged rows at the end of the page.
    let end = read_to.unwrap_or(next.upto).max(next.upto);
    next.missed += end - next.upto;
    next.upto = end;
    next
}

/// Where a hook goes on that is at a place, and how many events it misses by that.
pub(super) fn within_bound(place: u64, last: u64) -> (u64, u64) {
    let first = place.max(last.saturating_sub(MAX_BEHIND));
    (first, first - place)
}

/// A delivery after one more try.
pub(super) fn after_try(
    before: Option<Delivery>,
    event: &Event,
    at: Timestamp,
    answer: &Result<u16, String>,
) -> Delivery {
    let mut delivery = before.unwrap_or_else(|| Delivery {
        event: event.seq,
        kind: event.kind.clone(),
        outcome: DeliveryOutcome::Retrying,
        tries: 0,
        refusals: 0,
        first_at: at,
        last_at: at,
        status: None,
        error: None,
    });
    delivery.tries = delivery.tries.saturating_add(1);
    delivery.last_at = at;
    delivery.status = answer.as_ref().ok().copied();
    delivery.error = answer.as_ref().err().cloned();
    let is_taken = matches!(answer, Ok(200..=299));
    if matches!(answer, Ok(status) if !matches!(status, 408 | 425 | 429 | 500..)) && !is_taken {
        delivery.refusals = delivery.refusals.saturating_add(1);
    }
    let is_enough = delivery.refusals >= MAX_REFUSALS || at.since(delivery.first_at) >= TRIED_FOR;
    delivery.outcome = match (is_taken, is_enough) {
        (true, _) => DeliveryOutcome::Delivered,
        (false, true) => DeliveryOutcome::GivenUp,
        (false, false) => DeliveryOutcome::Retrying,
    };
    delivery
}

/// How long to wait after so many tries: between half of the pause and all of it, by chance.
pub(super) fn pause_after(tries: u32, chance: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
    let whole = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
    whole.mul_f64(0.5 + 0.5 * f64::from(chance) / f64::from(u32::MAX))
}

/// Whether an event tells now that a hook fails.
pub(super) fn is_to_be_told(since: Timestamp, told_at: Option<Timestamp>, now: Timestamp) -> bool {
    now.since(since) >= TOLD_AFTER && told_at.is_none_or(|told| now.since(told) >= TOLD_EVERY)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;
    use crate::model::actor::Actor;
    use crate::model::hook::{HookId, HookKinds};
    use crate::model::secret::Secret;

    fn hook() -> Hook {
        Hook {
            id: HookId(Uuid::nil()),
            url: "https://receiver.example/".to_owned(),
            kinds: HookKinds::parse(["state.*"]).unwrap(),
            workspace: Some("team".to_owned()),
            may_be_private: false,
            secret: Secret::new("skh_".to_owned()),
            enabled: true,
            created_at: at(0),
            created_by: Actor::server(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn event(seq: u64, kind: &str) -> Event {
        Event {
            seq,
            at: at(0),
            kind: kind.to_owned(),
            actor: None,
            address: String::new(),
            request_id: None,
            workspace: Some("team".to_owned()),
            block: None,
            version: None,
            lock_id: None,
            count: 1,
            last_at: at(0),
            attention: false,
            acknowledged: None,
            detail: Value::Null,
            hash: None,
        }
    }

    #[test]
    fn the_next_event_is_the_first_that_fits_and_those_that_are_gone_are_counted() {
        let mut elsewhere = event(5, "state.write");
        elsewhere.workspace = Some("other".to_owned());
        let page = vec![elsewhere, event(8, "lock.break"), event(11, "state.write")];
        let next = next_of(&hook(), 4, page, Some(11));
        assert_eq!((next.upto, next.missed), (10, 4), "6, 7, 9 and 10 are gone");
        assert_eq!(next.event.map(|event| event.seq), Some(11));

        let next = next_of(&hook(), 4, vec![event(5, "login")], Some(7));
        assert_eq!((next.upto, next.missed), (7, 2), "6 and 7 are damaged");
        assert!(next.event.is_none());
        let next = next_of(&hook(), 4, vec![], None);
        assert_eq!((next.upto, next.missed), (4, 0));
    }

    #[test]
    fn a_hook_is_told_of_what_is_counted_or_of_itself_by_no_word() {
        let mut hook = hook();
        hook.workspace = None;
        for (word, kind, wants) in [
            ("all", "state.write", true),
            ("all", "state.read", false),
            ("all", "hook.fail", false),
            ("attention", "hook.fail", false),
            ("state.*", "state.read", false),
            ("attention", "request.redirected", false),
        ] {
            hook.kinds = HookKinds::parse([word]).unwrap();
            let mut event = event(1, kind);
            event.attention = true;
            event.detail = serde_json::json!({"hook": hook.id});
            assert_eq!(hook.wants(&event), wants, "{word} {kind}");
        }
    }

    #[test]
    fn no_more_events_wait_than_the_bound() {
        assert_eq!(within_bound(5, 5), (5, 0));
        assert_eq!(within_bound(5, 5 + MAX_BEHIND), (5, 0));
        assert_eq!(within_bound(5, 8 + MAX_BEHIND), (8, 3));
        assert_eq!(within_bound(9, 5), (9, 0));
    }

    #[test]
    fn what_is_refused_is_given_up_soon_and_what_fails_after_three_days() {
        let event = event(3, "state.write");
        let mut delivery = None;
        for number in 1..=MAX_REFUSALS {
            let after = after_try(delivery, &event, at(i64::from(number)), &Ok(404));
            assert_eq!(
                after.outcome == DeliveryOutcome::GivenUp,
                number == MAX_REFUSALS
            );
            delivery = Some(after);
        }
        for (answer, is_refusal) in [
            (Ok(302), true),
            (Ok(400), true),
            (Ok(410), true),
            (Ok(408), false),
            (Ok(425), false),
            (Ok(429), false),
            (Ok(500), false),
            (Ok(503), false),
            (Err("it is down".to_owned()), false),
        ] {
            let first = after_try(None, &event, at(0), &answer);
            assert_eq!(first.refusals, u32::from(is_refusal), "{answer:?}");
            let days = |days: i64| at(days * 24 * 60 * 60);
            let early = after_try(Some(first.clone()), &event, days(2), &answer);
            assert_eq!(early.outcome, DeliveryOutcome::Retrying, "{answer:?}");
            let late = after_try(Some(first), &event, days(3), &answer);
            assert_eq!(late.outcome, DeliveryOutcome::GivenUp, "{answer:?}");
        }
        for status in [200, 204, 299] {
            let taken = after_try(None, &event, at(0), &Ok(status));
            assert_eq!(taken.outcome, DeliveryOutcome::Delivered);
        }
    }

    #[test]
    fn pauses_double_up_to_ten_minutes_and_are_cut_by_chance() {
        assert_eq!(pause_after(1, u32::MAX), Duration::from_secs(1));
        assert_eq!(pause_after(4, u32::MAX), Duration::from_secs(8));
        assert_eq!(pause_after(4, 0), Duration::from_secs(4));
        assert_eq!(pause_after(u32::MAX, u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_person_is_told_after_an_hour_and_then_once_a_day() {
        let hours = |hours: i64| at(hours * 60 * 60);
        assert!(!is_to_be_told(hours(1), None, hours(1)));
        assert!(is_to_be_told(hours(1), None, hours(2)));
        assert!(!is_to_be_told(hours(1), Some(hours(2)), hours(25)));
        assert!(is_to_be_told(hours(1), Some(hours(2)), hours(26)));
    }
}

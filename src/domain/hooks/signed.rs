//! What a delivery says, and its signature: an HMAC-SHA256 over the time and the body, so that a
//! receiver knows who sent it, and that it is not an old one once more.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;
use uuid::Uuid;

use crate::model::clock::Timestamp;
use crate::model::event::Event;
use crate::model::hook::{Hook, HookId};
use crate::model::secret::Secret;
use crate::model::signed_head::hex;

/// The kind of a delivery that tries a hook.
const TEST: &str = "test";

/// A delivery as it is sent; the same in each try.
pub(super) struct SignedDelivery {
    id: String,
    kind: String,
    pub(super) body: String,
}

#[derive(Serialize)]
struct Body<'a> {
    delivery: &'a str,
    kind: &'a str,
    hook: HookId,
    instance: String,
    event: Option<&'a Event>,
}

impl SignedDelivery {
    /// What tells a hook of an event.
    pub(super) fn of(hook: &Hook, instance: Uuid, event: &Event) -> Self {
        let id = format!("{}-{}", hook.id, event.seq);
        Self::new(id, hook, instance, (&event.kind, Some(event)))
    }

    /// What tries a hook.
    pub(super) fn test(hook: &Hook, instance: Uuid) -> Self {
        let id = format!("{}-{TEST}-{}", hook.id, Uuid::new_v4());
        Self::new(id, hook, instance, (TEST, None))
    }

    fn new(id: String, hook: &Hook, instance: Uuid, (kind, event): (&str, Option<&Event>)) -> Self {
        let body = Body {
            delivery: &id,
            kind,
            hook: hook.id,
            instance: instance.to_string(),
            event,
        };
        Self {
            body: serde_json::json!(body).to_string(),
            kind: kind.to_owned(),
            id,
        }
    }

    /// The headers of a try at a time.
    pub(super) fn headers(&self, secret: &Secret, at: Timestamp) -> [(&'static str, String); 3] {
        let seconds = at.millis().div_euclid(1_000);
        let signature = signature(secret, seconds, &self.body);
        [
            ("statekeep-event", self.kind.clone()),
            ("statekeep-delivery", self.id.clone()),
            ("statekeep-signature", format!("t={seconds},v1={signature}")),
        ]
    }
}

/// The HMAC-SHA256 of `SECONDS.BODY` under the whole text of the secret, in hex.
fn signature(secret: &Secret, seconds: i64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else {
        // A key of any length is taken.
        return String::new();
    };
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    hex(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_others_make() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac skh_secret
        let made = signature(
            &Secret::new("skh_secret".to_owned()),
            1_700_000_000,
            r#"{"a":1}"#,
        );
        assert_eq!(made, EXPECTED);
    }

    const EXPECTED: &str = "50808fb244d379188b74dd1904d70bba712d92cf4a491d5a7aad81885dd43326";
}

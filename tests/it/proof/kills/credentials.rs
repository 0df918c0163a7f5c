//! The acts on keys, tokens and policies, and what an actor knows of its own.

use serde_json::{Value, json};

use super::Found;
use super::acts::{Act, Effect, Sender};
use super::ledger::{expect, need};
use crate::harness::{Answer, Client};
use crate::proof::dice::Dice;

/// A key that an actor makes, uses and ends, one after the other.
#[derive(Clone, Debug)]
pub(super) struct SpareKey {
    pub(super) id: String,
    pub(super) secret: String,
    /// How often the key was given another secret since this one.
    rotations: u32,
}

/// So many rotations end a secret at once, whatever the grace of the first one is, and every token
/// that was made with it.
const ENDS_A_SECRET: u32 = 2;

/// What an actor knows of its workspace's policy, its spare key and its spare token.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) workspace: String,
    pub(super) policy: Option<Value>,
    pub(super) key: Option<SpareKey>,
    pub(super) token: Option<String>,
    /// How often the key was given another secret since the one that made the token.
    rotations: u32,
    /// Ended since the last look: a key's id, a token.
    ended_key: Option<String>,
    ended_token: Option<String>,
}

fn act(by: Sender, method: &'static str, path: &str, body: &Value) -> Act {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (path, effect) = (path.to_owned(), Effect::Policy(None));
    Act {
        by,
        method,
        path,
        body,
        events: &[],
        effect,
    }
}

impl Act {
    fn doing(self, events: &'static [&'static str], effect: Effect) -> Self {
        Self {
            events,
            effect,
            ..self
        }
    }
}

impl Credentials {
    pub(super) fn new(workspace: String) -> Self {
        let (policy, key, token, ended_key, ended_token) = (None, None, None, None, None);
        Self {
            workspace,
            policy,
            key,
            token,
            rotations: 0,
            ended_key,
            ended_token,
        }
    }

    fn rotated(&mut self, secret: Option<String>) {
        self.rotations += 1;
        if self.rotations >= ENDS_A_SECRET {
            self.ended_token = self.token.take().or(self.ended_token.take());
        }
        if let Some(key) = &mut self.key {
            key.rotations += 1;
            if let Some(secret) = secret {
                (key.secret, key.rotations) = (secret, 0);
            }
        }
        // Without the new one, the old secret lives on for its grace.
        self.key.take_if(|key| key.rotations >= ENDS_A_SECRET);
    }

    pub(super) fn next(&self, dice: &mut Dice, fresh: &str) -> Act {
        let policy = format!("/api/retention/{}", self.workspace);
        match (dice.below(10), &self.key, &self.token) {
            (0..=2, ..) if self.policy.is_some() => {
                act(Sender::Admin, "DELETE", &policy, &Value::Null)
                    .doing(&["retention.unset"], Effect::Policy(None))
            }
            (0..=2, ..) => {
                // It keeps everything, also the rows of versions that were purged.
                let wanted = json!({"keep_within": 9_000_000 + dice.below(1000)});
                act(Sender::Admin, "PUT", &policy, &wanted)
                    .doing(&["retention.set"], Effect::Policy(Some(wanted)))
            }
            (_, None, _) => {
                let wanted = json!({"name": fresh, "workspace": self.workspace, "role": "reader"});
                act(Sender::Admin, "POST", "/api/keys", &wanted)
                    .doing(&["key.create"], Effect::KeyMade)
            }
            (3..=5, Some(key), None) => {
                let wanted =
                    json!({"clientId": key.id, "clientSecret": key.secret, "expires_in": 600});
                act(Sender::Nobody, "POST", "/api/login", &wanted)
                    .doing(&["login"], Effect::TokenMade)
            }
            (3 | 4, _, Some(token)) => {
                let wanted = json!({"token": token, "expires_in": 900});
                act(Sender::SpareKey, "POST", "/api/token/extend", &wanted)
                    .doing(&["token.extend"], Effect::TokenExtended)
            }
            (5, _, Some(_)) => act(Sender::SpareToken, "DELETE", "/api/token", &Value::Null)
                .doing(&["token.end"], Effect::TokenEnded),
            (6 | 7, Some(key), _) => {
                let path = format!("/api/keys/{}/rotate", key.id);
                act(Sender::Admin, "POST", &path, &json!({"grace": 600}))
                    .doing(&["key.rotate"], Effect::KeyRotated)
            }
            (_, Some(key), _) => {
                let path = format!("/api/keys/{}", key.id);
                act(Sender::Admin, "DELETE", &path, &Value::Null)
                    .doing(&["key.revoke"], Effect::KeyRevoked)
            }
        }
    }

    /// What an act that happened has changed. Without its answer nobody knows a secret that was
    /// made: what it belongs to is not used any more.
    pub(super) fn apply(&mut self, effect: Effect, answer: Option<&Answer>) {
        let body = answer
            .filter(|answer| !answer.bytes.is_empty())
            .map(Answer::json);
        let text = |path: &str| Some(body.as_ref()?.pointer(path)?.as_str()?.to_owned());
        match effect {
            Effect::Policy(policy) => self.policy = policy,
            Effect::KeyMade => {
                let made = text("/key/id").zip(text("/secret"));
                self.key = made.map(|(id, secret)| SpareKey {
                    id,
                    secret,
                    rotations: 0,
                });
            }
            Effect::KeyRotated => self.rotated(text("/secret")),
            Effect::KeyRevoked => {
                self.ended_key = self.key.take().map(|key| key.id);
                self.ended_token = self.token.take();
            }
            Effect::TokenMade => {
                self.token = text("/access_token");
                self.rotations = self.key.as_ref().map_or(0, |key| key.rotations);
            }
            Effect::TokenExtended | Effect::State(..) => {}
            Effect::TokenEnded => self.ended_token = self.token.take(),
        }
    }

    pub(super) fn check(&mut self, admin: &Client, state: &str) -> Found {
        let path = format!("/api/retention/{}", self.workspace);
        let answer = admin.get(&path);
        match &self.policy {
            None => expect(&answer, 404, &path)?,
            Some(policy) => {
                expect(&answer, 200, &path)?;
                need(answer.json()["policy"] == *policy, || {
                    format!("{path}: {} instead of {policy}", answer.text())
                })?;
            }
        }
        if let Some(key) = &self.key {
            let path = format!("/api/keys/{}", key.id);
            let answer = admin.get(&path);
            expect(&answer, 200, &path)?;
            need(answer.json()["status"] == "active", || {
                format!("{path}: {}", answer.text())
            })?;
            // The right secret is what it takes; whether the state is there does not matter.
            let read = admin.with_secret(&key.secret).read(state);
            need(read.status != 401, || {
                format!("the secret of {} does not work", key.id)
            })?;
        }
        if let Some(token) = &self.token {
            let read = admin.with_secret(token).read(state);
            need(read.status != 401, || {
                "a live token does not work".to_owned()
            })?;
        }
        if let Some(id) = self.ended_key.take() {
            let answer = admin.get(&format!("/api/keys/{id}"));
            need(answer.json()["status"] == "revoked", || {
                format!("a revoked key lives: {}", answer.text())
            })?;
        }
        if let Some(token) = self.ended_token.take() {
            let read = admin.with_secret(&token).read(state);
            expect(&read, 401, "a token that was ended")?;
        }
        Ok(())
    }
}

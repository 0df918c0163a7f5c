//! Clients who do no harm: they lock, write, read and unlock, over and over, each time as a new
//! command with connections of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::harness::{Client, Server, lineage, md5, state_path, tfstate_noted};
use crate::samples::lock_body;

/// How often Terraform and OpenTofu send a call again by default, and how long they wait at most.
const RETRIES: u32 = 2;
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What a neighbour has seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) times: Vec<Duration>,
    /// The calls that succeeded.
    pub(super) done: u32,
    pub(super) again: u64,
    pub(super) failures: Vec<String>,
}

/// What the end of a round is to a neighbour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The command under way goes on to its own end.
    Finish,
    /// The server is gone. A call that is under way took at least so long.
    Cut,
}

pub(super) struct Neighbour {
    key: Client,
    name: String,
    serial: u64,
    written: String,
}

/// When a neighbour stops, and how.
#[derive(Clone, Copy)]
pub(super) struct Until<'s> {
    pub(super) stop: &'s AtomicBool,
    pub(super) end: End,
}

impl Until<'_> {
    fn is_over(self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn is_cut(self) -> bool {
        self.end == End::Cut && self.is_over()
    }

    /// Rests, but not beyond a cut.
    fn rest(self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.is_cut() {
            std::thread::sleep(time.min(Duration::from_millis(20)));
        }
    }
}

impl Neighbour {
    pub(super) fn new(server: &Server, index: usize) -> Self {
        let name = format!("calm/n{index}-{}", uuid::Uuid::new_v4());
        Self {
            key: server.key("calm", "writer"),
            name,
            serial: 0,
            written: String::new(),
        }
    }

    /// Works until it is told to stop.
    pub(super) fn work(&mut self, until: Until<'_>) -> Seen {
        let mut seen = Seen::default();
        while !until.is_over() && seen.failures.len() < 10 {
            let client = self.key.with_secret(self.key.secret());
            self.command((&client, until), &mut seen);
            std::thread::sleep(Duration::from_millis(20));
        }
        seen
    }

    /// What an apply asks of the server.
    fn command(&mut self, client: Calling<'_>, seen: &mut Seen) {
        let path = state_path(&self.name);
        let lock = lock_body("lock-1");
        if call(client, seen, ("LOCK", &path), &lock).is_none() {
            return;
        }
        let note = format!("{}{}", self.name, "x".repeat(20_000));
        let body = tfstate_noted(&lineage(1), self.serial + 1, &note);
        let under = format!("{path}?ID=lock-1");
        if call(client, seen, ("POST", &under), &body).is_some() {
            self.serial += 1;
            self.written = body;
        }
        if self.serial > 0
            && let Some(read) = call(client, seen, ("GET", &path), "")
            && read.text() != self.written
        {
            seen.failures.push("a read gave other bytes".to_owned());
        }
        call(client, seen, ("UNLOCK", &path), &lock);
    }

    /// Checks that each write that was answered is a version.
    pub(super) fn has_lost_nothing(&self) {
        if self.serial == 0 {
            return;
        }
        let newest = &self.key.versions(&self.name)[0];
        assert_eq!(newest["number"], self.serial, "{}", self.name);
        assert_eq!(self.key.read(&self.name).text(), self.written);
    }
}

/// Who calls, and until when.
type Calling<'c> = (&'c Client, Until<'c>);

/// Calls as both programs do: what has no answer, or one of 429 or 5xx, is sent again.
fn call(
    (client, until): Calling<'_>,
    seen: &mut Seen,
    (method, path): (&str, &str),
    body: &str,
) -> Option<Answer> {
    let begun = Instant::now();
    let mut last = String::new();
    for turn in 0..=RETRIES {
        let mut request = client.request(method, path);
        if method != "GET" {
            request = request.header("Content-MD5", md5(body.as_bytes()));
            request = request.body(body.to_owned());
        }
        let mut wait = Duration::from_secs(1 << turn);
        match request.send() {
            Ok(answer) if answer.status().is_success() => {
                seen.times.push(begun.elapsed());
                seen.done += 1;
                return Some(Answer::of(answer));
            }
            Ok(answer) => {
                let answer = Answer::of(answer);
                let status = answer.status.as_u16();
                last = format!("{status} {}", answer.text());
                if status != 429 && status < 500 {
                    break;
                }
                if let Ok(seconds) = answer.header("retry-after").parse() {
                    wait = Duration::from_secs(seconds);
                }
            }
            Err(error) => last = format!("{error:?}"),
        }
        if turn < RETRIES {
            seen.again += 1;
            until.rest(wait.min(LONGEST_WAIT));
        }
        if until.is_cut() {
            seen.times.push(begun.elapsed());
            return None;
        }
    }
    seen.failures.push(format!("{method} {path}: {last}"));
    None
}

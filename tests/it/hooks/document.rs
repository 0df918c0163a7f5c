//! The program in `docs/webhooks.md` that verifies a delivery does so, and refuses others.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::receiver::{Received, Receiver};
use super::{make, write};
use crate::harness::Server;
use crate::skip;

const PAGE: &str = include_str!("../../../docs/webhooks.md");

/// Runs the page's program on a delivery: whether it is believed.
fn believes(secret: &str, signature: &str, body: &str) -> bool {
    let program = PAGE.split("```python\n").nth(1).expect("a program");
    let program = program.split("\n```").next().expect("an end");
    let mut child = Command::new("python3")
        .args(["-c", program, signature])
        .env("STATEKEEP_HOOK_SECRET", secret)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(body.as_bytes()).expect("it reads");
    drop(input);
    child.wait().expect("it ends").success()
}

#[test]
fn the_program_of_the_page_verifies_deliveries() {
    if skip::program("python3", "STATEKEEP_PYTHON").is_none() {
        return;
    }
    let (server, receiver) = (Server::start(), Receiver::start());
    let (_, secret) = make(&server, &receiver.wanted(&["state.write"]));
    write(&server, 1..=1);
    let got: Received = receiver.waits_for(1).remove(0);
    let signature = got.header("statekeep-signature");
    assert!(believes(&secret, signature, &got.body));
    assert!(!believes("skh_other", signature, &got.body));
    assert!(!believes(
        &secret,
        signature,
        &got.body.replace("team", "mine")
    ));
    let (time, rest) = signature.split_once(",v1=").expect("a signature");
    let seconds: u64 = time["t=".len()..].parse().expect("a number");
    let later = format!("t={},v1={rest}", seconds + 1);
    assert!(
        !believes(&secret, &later, &got.body),
        "the time is signed too"
    );
    let old = "t=1,v1=00";
    assert!(!believes(&secret, old, &got.body));
}

//! What a command leaves at its state: the lock that is there behind it is told, with the command
//! that releases it, and nothing else changes.

use std::time::{Duration, Instant};

use super::*;

#[test]
fn a_lock_of_somebody_else_is_told() {
    let site = Site::new();
    site.server
        .key("team", "writer")
        .lock(STATE, "held-for-long")
        .expect_status(200);
    site.script("exit 3\n");
    let output = site.apply().output().expect("it runs");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for part in [
        "team/net is locked with another key",
        "lock ID held-for-long",
        "nothing was written under it",
        "refused since then: 0",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(
        said.ends_with("statekeep state unlock team/net --id held-for-long\n")
            && output.stdout.is_empty(),
        "{said}"
    );
    site.expect_nothing_left();
    let unlocked = site
        .server
        .cli(&["state", "unlock", "team/net", "--id", "held-for-long"]);
    assert!(unlocked.status.success(), "{}", stderr(&unlocked));
    let output = site.apply().output().expect("it runs");
    assert!(
        !stderr(&output).contains("lock"),
        "free: {}",
        stderr(&output)
    );
}

#[test]
fn where_the_sources_name_the_state_it_is_told_as_well() {
    let site = Site::new();
    let address = site.server.state(STATE);
    site.write(
        "main.tf",
        &format!("terraform {{\n  backend \"http\" {{\n    address = \"{address}\"\n  }}\n}}\n"),
    );
    site.server
        .with(&site.secret())
        .lock(STATE, "of-before")
        .expect_status(200);
    let said = stderr(&site.ok(&mut site.apply()));
    assert!(
        said.contains("locked with this command's own key") && said.contains("--id of-before"),
        "{said}"
    );
}

#[test]
fn a_server_that_does_not_say_is_not_waited_for() {
    let site = Site::new();
    site.script(&format!("kill -STOP {}; exit 4\n", site.server.pid()));
    let start = Instant::now();
    let output = site.apply().output().expect("it runs");
    site.server.signal("CONT");
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

/// The client bridges a restart of the server, unless somebody has said otherwise.
#[test]
fn the_client_tries_for_a_minute() {
    let site = Site::new();
    let variables = || {
        ["MAX", "WAIT_MIN", "WAIT_MAX"].map(|name| {
            site.variable(&format!("TF_HTTP_RETRY_{name}"))
                .expect("set")
        })
    };
    site.ok(&mut site.apply());
    assert_eq!(variables(), ["14", "1", "5"]);
    site.ok(site
        .apply()
        .env("TF_HTTP_RETRY_MAX", "0")
        .env("TF_HTTP_RETRY_WAIT_MIN", "9")
        .env("TF_HTTP_RETRY_WAIT_MAX", ""));
    assert_eq!(variables(), ["0", "9", "9"]);
}

#[test]
fn what_init_says_is_shown_only_if_it_fails() {
    let site = Site::new();
    let mut command = site.command(&[], &[&site.terraform(), "plan", "-json", "-no-color"]);
    let output = site.ok(&mut command);
    assert!(
        output.stdout.is_empty() && !stderr(&output).contains("init"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        site.calls(),
        ["init -input=false -no-color", "plan -json -no-color"]
    );
    std::fs::write(site.tool("init-fails"), "").expect("a file");
    let output = site.apply().output().expect("it runs");
    let said = stderr(&output);
    assert!(
        said.contains("init speaks\ninit complains\n") && output.stdout.is_empty(),
        "{said}"
    );
    assert!(said.contains("init` failed"), "{said}");
}

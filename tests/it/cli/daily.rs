//! The commands of every day: `status`, `events`, `whoami`, `help`, `version`, and short words.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, PATIENCE, Server, kill, statekeep, tfstate};

use super::{L1, Place, some_states, stderr};

pub(super) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn status_tells_how_the_server_is() {
    Place::both(
        |admin| {
            some_states(admin);
            admin.lock("team/net", "l").expect_status(200);
        },
        |place| {
            let text = place.ok(&["status"]);
            for told in [
                "status           ready",
                concat!(
                    "version          statekeep ",
                    env!("CARGO_PKG_VERSION"),
                    ", schema "
                ),
                "states           3, 5 versions",
                "locks            1; the oldest since 20",
                "backup           none by the server itself",
                "clock            trusted",
            ] {
                assert!(text.contains(told), "{told}: {text}");
            }
            let runs = "no server runs on this directory";
            assert_eq!(text.contains(runs), place.server.is_none(), "{text}");
            assert_eq!(place.json(&["status"])["states"], 3);
        },
    );
}

#[test]
fn ready_is_an_exit_code_and_no_server_is_not_ready() {
    Place::both(some_states, |place| {
        let output = place.run(&["status", "--ready"]);
        if place.server.is_some() {
            assert_eq!(
                (output.status.code(), stdout(&output).as_str()),
                (Some(0), "ready\n")
            );
        } else {
            assert_eq!(
                (output.status.code(), stdout(&output).as_str()),
                (Some(1), "")
            );
            assert!(
                stderr(&output).contains("no server runs on"),
                "{}",
                stderr(&output)
            );
        }
    });
}

#[test]
fn a_server_that_hangs_is_not_ready() {
    let server = Server::start();
    server.signal("STOP");
    let output = server.cli(&["status", "--ready"]);
    server.signal("CONT");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("has not answered for 5s"));
}

#[test]
fn a_server_that_is_not_ready_is_told_with_its_problems() {
    let url = super::stub(|head| {
        assert!(head.starts_with("GET /readyz "), "{head}");
        let body = json!({
            "status": "not_ready",
            "problems": [{ "code": "store_unreadable", "detail": "the database cannot be read" }],
        });
        let body = body.to_string();
        format!(
            "HTTP/1.1 503 Unavailable\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    });
    let output = elsewhere(&url, &["status", "--ready"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert_eq!(
        text,
        "not_ready\n! store_unreadable: the database cannot be read\n"
    );
}

#[test]
fn ready_elsewhere_needs_no_key_and_the_rest_does() {
    let server = Server::start();
    let asked = |args: &[&str]| {
        let mut command = statekeep(&[args, &["--url", server.url()]].concat());
        let output = command.output().expect("it runs");
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let (code, told, said) = asked(&["status", "--ready"]);
    assert_eq!((code, told.as_str()), (Some(0), "ready\n"), "{said}");
    let (code, _, said) = asked(&["status"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--url needs --key-file"), "{said}");
}

/// Runs a command for a server elsewhere, as a key.
fn elsewhere(url: &str, args: &[&str]) -> Output {
    command_elsewhere(url, "skp_x", args)
        .output()
        .expect("it runs")
}

pub(super) fn command_elsewhere(url: &str, secret: &str, args: &[&str]) -> Command {
    let dir = TempDir::new().expect("a directory");
    let key = dir.keep().join("key");
    std::fs::write(&key, secret).expect("a key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("its mode");
    let mut command = statekeep(args);
    command
        .env("STATEKEEP_URL", url)
        .env("STATEKEEP_KEY_FILE", key);
    command
}

fn kinds(events: &Value) -> Vec<String> {
    let events = events["events"].as_array().expect("events");
    events
        .iter()
        .map(|event| event["kind"].as_str().expect("a kind").to_owned())
        .collect()
}

#[test]
fn events_are_listed_by_state_key_kind_age_and_attention() {
    let prepare = |admin: &Client| {
        some_states(admin);
        admin.lock("team/net", "l").expect_status(200);
        // By force, which a person should look at.
        admin
            .send("UNLOCK", &crate::harness::state_path("team/net"), "")
            .expect_status(200);
    };
    Place::both(prepare, |place| {
        let text = place.ok(&["events", "team/net"]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("AT ") && lines[0].contains("  EVENT "),
            "{text}"
        );
        assert!(
            lines[1].contains("lock.break!") && lines[1].contains("  team/net "),
            "{text}"
        );
        assert!(
            text.contains("version 3") && !text.contains("team/two"),
            "{text}"
        );
        let of = |args: &[&str]| kinds(&place.json(&[&["events"], args].concat()));
        assert_eq!(of(&["--attention", "--since", "2d"]), ["lock.break"]);
        assert_eq!(of(&["--workspace", "rival"]), ["state.write"]);
        assert_eq!(
            of(&["--kind", "lock.*", "--key", "admin"]),
            ["lock.break", "lock.acquire"]
        );
        assert_eq!(of(&["--since", "2099-01-01T00:00:00Z"]), [""; 0]);
        assert_eq!(of(&["--limit", "2"]).len(), 2);
        let cut = place.run(&["events", "--limit", "2"]);
        assert!(
            stderr(&cut).contains("there are older ones"),
            "{}",
            stderr(&cut)
        );
        place.fails(&["events", "--key", "nobody"], "no_key");
        let wrong = place.run(&["events", "--since", "yesterday"]);
        assert_eq!(wrong.status.code(), Some(2));
    });
}

#[test]
fn events_are_acknowledged_one_by_one_and_all_of_a_state() {
    Place::both(
        |admin| {
            some_states(admin);
            for name in ["team/net", "team/net", "team/db"] {
                admin.lock(name, "l").expect_status(200);
                admin
                    .send("UNLOCK", &crate::harness::state_path(name), "")
                    .expect_status(200);
            }
        },
        |place| {
            let waiting = || kinds(&place.json(&["events", "--attention"])).len();
            let all = waiting();
            let seq =
                place.json(&["events", "team/net", "--attention"])["events"][0]["seq"].to_string();
            let text = place.ok(&["events", "--attention"]);
            assert!(text.contains("lock.break!"), "{text}");
            assert!(text.contains(&format!("event={seq}")), "{text}");
            let done = place.run(&["events", "--acknowledge", &seq, "--word", "seen"]);
            assert!(
                stderr(&done).contains("acknowledged lock.break of"),
                "{done:?}"
            );
            assert_eq!(waiting(), all - 1);
            let text = place.ok(&["events", "--acknowledged"]);
            assert!(text.contains("acknowledged by operator: seen"), "{text}");
            assert!(!text.contains("lock.break!"), "{text}");

            place.fails(
                &["state", "acknowledge", "team/net", &seq],
                "waits for a person",
            );
            let rest = place.json(&["state", "acknowledge", "team/net", "--word", "both"]);
            assert_eq!(rest["events"][0]["acknowledged"]["word"], "both");
            assert_eq!(kinds(&rest), ["lock.break"]);
            assert_eq!(waiting(), all - 2, "the other state's event waits");
            let none = place.run(&["state", "acknowledge", "team/net"]);
            assert!(
                stderr(&none).contains("no event of team/net waits"),
                "{none:?}"
            );
            place.fails(&["state", "acknowledge", "team/nothing"], "team/nothing");
            place.fails(
                &["events", "--acknowledge", "99999"],
                "there is no event 99999",
            );
        },
    );
}

#[test]
fn followed_events_come_in_their_order_and_as_they_happen() {
    let server = Server::start();
    some_states(&server.admin());
    let mut command = statekeep(&["events", "--follow", "--kind", "state.write", "--json"]);
    command
        .env("STATEKEEP_DATA", server.data())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let output = child.stdout.take().expect("piped");
    let (line, lines) = channel();
    std::thread::spawn(move || {
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = line.send(serde_json::from_str::<Value>(&text).expect("a line of JSON"));
        }
    });
    let next = || lines.recv_timeout(PATIENCE).expect("an event");
    let before: Vec<Value> = (0..5).map(|_| next()["version"].clone()).collect();
    assert_eq!(before, [1, 2, 3, 1, 1], "the oldest first");
    server
        .admin()
        .write("team/net", tfstate(L1, 9), None)
        .expect_status(200);
    let new = next();
    assert_eq!(
        (&new["version"], &new["buildingBlock"]),
        (&json!(4), &json!("net"))
    );
    assert!(kill("KILL", child.id()));
    let _ = child.wait();
}

#[test]
fn following_needs_a_server_that_runs() {
    let dir = TempDir::new().expect("a directory");
    let mut command = statekeep(&["events", "--follow"]);
    let output = command
        .env("STATEKEEP_DATA", dir.path())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("no server runs on"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn whoami_tells_as_whom_a_command_acts() {
    Place::both(some_states, |place| {
        let text = place.ok(&["whoami"]);
        assert!(
            text.contains("the operator") && text.contains("every workspace"),
            "{text}"
        );
        assert_eq!(place.json(&["whoami"])["kind"], "operator");
    });
    let server = Server::start();
    let planner = server.key("team/net", "planner");
    let asked = |args: &[&str]| {
        let mut command = command_elsewhere(server.url(), planner.secret(), args);
        stdout(&command.output().expect("it runs"))
    };
    let text = asked(&["whoami"]);
    assert!(text.contains("the key planner of team/net ("), "{text}");
    assert!(
        text.contains("team/net\n") && text.contains("TFSTATE_PLAN\n"),
        "{text}"
    );
    assert!(text.contains("never"), "{text}");
}

#[test]
fn the_manual_is_in_the_binary() {
    let help = |topic: &[&str]| {
        let output = statekeep(&[&["help"], topic].concat())
            .output()
            .expect("it runs");
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let (code, overview, _) = help(&[]);
    assert_eq!(code, Some(0));
    assert!(overview.contains("statekeep help TOPIC") && overview.contains("operation"));
    let cli = include_str!("../../../docs/cli.md");
    assert_eq!(help(&["cli"]).1, cli);
    // Each page that `cli.md` leads to is there where nothing else may be.
    let pages = cli.split("](").skip(1).filter_map(|rest| {
        let (page, _) = rest.split_once([')', '#'])?;
        page.strip_suffix(".md")
    });
    for page in pages.filter(|page| *page != "format") {
        let (code, text, said) = help(&[page]);
        assert_eq!(code, Some(0), "{page}: {said}");
        assert!(text.starts_with("# "), "{page}: {text:.40}");
        assert!(overview.contains(&format!("  {page} ")), "{page}");
    }
    let (_, section, _) = help(&["state", "list"]);
    assert!(
        section.starts_with("### state list\n") && cli.contains(&section),
        "{section}"
    );
    assert!(help(&["Who", "acts"]).1.starts_with("### Who acts\n"));
    assert_eq!(help(&["ls"]).1, section, "for a word that stands for it");
    let (_, codes, _) = help(&["exit", "codes"]);
    assert!(
        codes.starts_with("### Output and exit codes\n"),
        "a part of the title: {codes}"
    );
    let (code, text, said) = help(&["opertion"]);
    assert_eq!((code, text.as_str()), (Some(2), ""));
    assert!(said.contains("did you mean operation?"), "{said}");
}

#[test]
fn version_is_a_command_too() {
    let told = |args: &[&str]| stdout(&statekeep(args).output().expect("it runs"));
    assert_eq!(told(&["version"]), told(&["--version"]));
    assert!(told(&["version"]).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn words_that_people_type_stand_for_commands() {
    Place::both(some_states, |place| {
        assert_eq!(
            place.ok(&["ls", "--workspace", "rival"]),
            place.ok(&["state", "list", "--workspace", "rival"])
        );
        assert_eq!(
            place.ok(&["-q", "ls", "rival"]),
            place.ok(&["state", "list", "--workspace", "rival"]),
            "behind a flag, and with the workspace as a word"
        );
        assert_eq!(
            place.ok(&["log", "team/net"]),
            place.ok(&["state", "history", "team/net"])
        );
        assert_eq!(
            place.ok(&["lock", "team/net"]),
            place.ok(&["state", "show", "team/net"])
        );
        assert_eq!(
            place.json(&["ls"]),
            serde_json::from_str::<Value>(&place.ok(&["ls", "--json"])).expect("JSON")
        );
    });
}

#[test]
fn on_a_terminal_tables_have_the_columns_that_fit_and_ages() {
    let long = "a-name-that-is-longer-than-any-column-has-room-for";
    let prepare = |admin: &Client| {
        some_states(admin);
        let body = json!({ "name": long, "workspace": "team", "role": "writer",
            "expires_in": 90 * 24 * 60 * 60 });
        admin.post_json("/api/keys", &body).expect_status(201);
    };
    Place::both(prepare, |place| {
        let at = |args: &[&str], columns: u16| {
            let output = super::asking::at_terminal(place, args, "", columns)?;
            assert_eq!(output.status.code(), Some(0), "{args:?}");
            Some(stdout(&output).replace('\r', ""))
        };
        let Some(keys) = at(&["key", "list"], 80) else {
            return;
        };
        let width = |text: &str| text.lines().map(|line| line.chars().count()).max();
        assert!(width(&keys).is_some_and(|width| width <= 80), "{keys}");
        assert!(keys.contains("writer") && keys.contains("in 89d"), "{keys}");
        assert!(
            keys.contains("a-name-that-is-lo…") && !keys.contains(long),
            "{keys}"
        );
        let wide = at(&["key", "list", "--wide"], 80).expect("a terminal");
        assert!(
            wide.contains(long) && wide.contains("TFSTATE_SAVE"),
            "{wide}"
        );
        let states = at(&["state", "list"], 200).expect("a terminal");
        assert!(
            states.contains(" HISTORY ") && states.contains("s ago"),
            "{states}"
        );
        let states = at(&["state", "list"], 50).expect("a terminal");
        assert!(width(&states).is_some_and(|width| width <= 50), "{states}");
        assert!(
            states.contains("team/net") && !states.contains("HISTORY"),
            "{states}"
        );
        for (args, told) in [
            (&["whoami"][..], "role         admin ("),
            (&["state", "show", "team/net"], "s ago)\n"),
            (&["state", "diff", "team/net"], "s ago\n"),
        ] {
            let text = at(args, 100).expect("a terminal");
            assert!(text.contains(told), "{args:?}: {text}");
            let is_whole = !text.contains("sha256 ") && width(&text) <= Some(100);
            assert!(is_whole || args[1] == "show", "{args:?}: {text}");
        }
        let piped = place.ok(&["state", "list"]);
        assert!(
            piped.contains("HISTORY") && !piped.contains("ago"),
            "{piped}"
        );
    });
}

#[test]
fn a_state_is_named_the_same_way_for_run_as_anywhere_else() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let module = TempDir::new().expect("a directory");
    let token = |args: &[&str], variable: &str| {
        let mut command = command_elsewhere(server.url(), key.secret(), &[]);
        command
            .arg("run")
            .args(args)
            .arg("--dir")
            .arg(module.path());
        command.env("STATEKEEP_STATE", variable);
        // No program of Terraform's: it only gets a token.
        command.args(["--", "sh", "-c", "echo ran"]);
        command.output().expect("it runs")
    };
    let words = |output: &Output| (output.status.code(), stderr(output));
    // A command that is neither Terraform nor OpenTofu is refused with a state, and run with a
    // workspace alone: so it shows what was named.
    let by_flags = token(&["--workspace", "team", "--building-block", "net"], "");
    assert_eq!(words(&token(&["team/net"], "")), words(&by_flags));
    assert_eq!(words(&token(&[], "team/net")), words(&by_flags));
    assert_eq!(
        stdout(&token(&["--workspace", "team"], "other/net")),
        "ran\n"
    );
    let none = token(&[], "");
    assert_eq!(none.status.code(), Some(2));
    assert!(
        stderr(&none).contains("name it as W/B"),
        "{}",
        stderr(&none)
    );
    assert_eq!(
        token(&["team/net", "--workspace", "team"], "")
            .status
            .code(),
        Some(2)
    );
}

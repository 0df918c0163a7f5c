//! `/metrics`: for whoever may look, in the form that Prometheus reads, with figures that fit what
//! was done and nothing that a client chose.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate};
use crate::scrape::{Sample, Scrape, monitor};
use crate::wire::{Wire, head};

use super::{L1, small, writer};

const REQUESTS: &str = "statekeep_http_request_duration_seconds_count";
const STATE: &str = "/api/terraform/state/workspace/{workspace}/buildingblock/{buildingBlock}";

/// The metrics as the program names them.
const SOURCE: &str = include_str!("../../../src/metrics.rs");

/// Every name in there: a literal in small letters with its help behind it, which begins with a
/// capital or a figure and ends with a full stop.
fn names() -> BTreeSet<String> {
    let literals: Vec<&str> = SOURCE.split('"').collect();
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let is_help = |text: &str| {
        text.ends_with('.')
            && text.starts_with(|first: char| first.is_ascii_uppercase() || first.is_ascii_digit())
    };
    let pairs = literals
        .windows(3)
        .filter(|three| is_name(three[0]) && three[1].trim() == "," && is_help(three[2]));
    pairs
        .map(|three| format!("statekeep_{}", three[0]))
        .collect()
}

/// Some of everything that is counted: writes of each outcome, reads, locks, refusals.
fn busy() -> (Server, Client, Client) {
    let server = small().start();
    let (owner, other, monitor) = (
        writer(&server),
        server.key("team", "writer"),
        monitor(&server),
    );
    let post = |caller: &Client, serial: u64, query: &str, status: u16| {
        caller
            .send(
                "POST",
                &format!("{}{query}", state_path("team/net")),
                tfstate(L1, serial),
            )
            .expect_status(status);
    };
    post(&owner, 1, "", 200);
    post(&owner, 2, "", 200);
    post(&owner, 2, "", 200);
    post(&owner, 1, "", 409);
    owner.lock("team/net", "lock-1").expect_status(200);
    post(&other, 3, "", 423);
    post(&owner, 3, "?ID=lock-1", 200);
    post(&owner, 4, "?ID=lock-1", 200);
    owner.unlock("team/net", "lock-1").expect_status(200);
    post(&other, 9, "?ID=lock-1", 409);
    for _ in 0..5 {
        owner.read("team/net").expect_status(200);
    }
    owner.read("team/none").expect_problem(404, "no_state");
    server
        .anonymous()
        .read("team/net")
        .expect_problem(401, "unauthorized");
    (server, owner, monitor)
}

#[test]
fn it_is_for_those_who_may_see_the_status_and_nobody_else() {
    let server = Server::start();
    server
        .anonymous()
        .get("/metrics")
        .expect_problem(401, "unauthorized");
    server
        .with("nonsense")
        .get("/metrics")
        .expect_problem(401, "unauthorized");
    for (scope, role) in [("team", "owner"), ("", "reader"), ("", "owner")] {
        server
            .key(scope, role)
            .get("/metrics")
            .expect_problem(403, "forbidden");
    }
    let allowed = [
        server.key("", "monitor"),
        server.key_with("", &["ADM_STATUS"]),
        server.admin(),
        monitor(&server),
    ];
    for caller in &allowed {
        let answer = caller.get("/metrics").expect_status(200);
        assert_eq!(
            answer.header("content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(
            answer.text().contains("statekeep_ready 1"),
            "{}",
            answer.text()
        );
    }
    let mut operator = Wire::to_socket_of(&server);
    operator.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    operator.answer().expect("an answer").expect_status(200);
    allowed[0]
        .send("POST", "/metrics", "")
        .expect_problem(405, "method_not_allowed");
    let bearer = allowed[0].clone();
    Client::ask(
        server
            .anonymous()
            .request("GET", "/metrics")
            .bearer_auth(bearer.secret()),
    )
    .expect_status(200);
}

/// The family that a sample belongs to: a histogram's samples have endings.
fn family<'a>(sample: &'a Sample, types: &BTreeMap<&str, &str>) -> &'a str {
    let mut stems = ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|end| sample.name.strip_suffix(end));
    stems
        .find(|stem| types.get(stem) == Some(&"histogram"))
        .unwrap_or(&sample.name)
}

#[test]
fn it_is_in_the_form_that_prometheus_reads() {
    let (_server, _, monitor) = busy();
    let scrape = Scrape::of(&monitor);
    let comments = |kind: &str| -> BTreeMap<&str, &str> {
        let lines = scrape
            .text
            .lines()
            .filter_map(|line| line.strip_prefix(kind)?.split_once(' '));
        let mut found = BTreeMap::new();
        lines.for_each(|(name, rest)| {
            assert!(found.insert(name, rest).is_none(), "{kind}{name} twice");
        });
        found
    };
    let (help, types) = (comments("# HELP "), comments("# TYPE "));
    let mut series = BTreeSet::new();
    let mut families = Vec::new();
    for sample in &scrape.samples {
        let family = family(sample, &types);
        assert!(
            help.contains_key(family) && types.contains_key(family),
            "{}: no HELP or no TYPE",
            sample.name
        );
        assert!(
            series.insert((&sample.name, &sample.labels)),
            "{} {:?} twice",
            sample.name,
            sample.labels
        );
        assert!(
            sample.value.parse::<f64>().is_ok_and(f64::is_finite),
            "{}: {}",
            sample.name,
            sample.value
        );
        assert!(
            types[family] != "counter" || family.ends_with("_total"),
            "{family}: a counter ends with _total"
        );
        if families.last() != Some(&family) {
            families.push(family);
        }
    }
    let once: BTreeSet<_> = families.iter().collect();
    assert_eq!(
        once.len(),
        families.len(),
        "the samples of a family stand together: {families:?}"
    );
    assert!(scrape.text.ends_with('\n') && !scrape.text.contains("\n\n"));
}

#[test]
fn its_histograms_add_up() {
    let (_server, _, monitor) = busy();
    let scrape = Scrape::of(&monitor);
    let mut last: BTreeMap<(String, BTreeMap<String, String>), (f64, u64)> = BTreeMap::new();
    for sample in scrape
        .samples
        .iter()
        .filter(|sample| sample.name.ends_with("_bucket"))
    {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le").expect("a bound");
        let bound = if bound == "+Inf" {
            f64::INFINITY
        } else {
            bound.parse().expect("a number")
        };
        let count: u64 = sample.value.parse().expect("a count");
        let key = (sample.name.trim_end_matches("_bucket").to_owned(), labels);
        if let Some((before, fewer)) = last.insert(key, (bound, count)) {
            assert!(
                before < bound && fewer <= count,
                "{}: {fewer} up to {before}, {count} up to {bound}",
                sample.name
            );
        }
    }
    assert!(last.len() > 10, "there are histograms");
    for ((name, labels), (bound, count)) in last {
        assert!(bound.is_infinite(), "{name}: the last bucket holds all");
        let labels: Vec<(&str, &str)> = labels
            .iter()
            .map(|(label, value)| (label.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            scrape.sum(&format!("{name}_count"), &labels),
            count,
            "{name} {labels:?}"
        );
    }
}

#[test]
fn it_has_each_metric_that_the_program_names() {
    let (_server, _, monitor) = busy();
    let scrape = Scrape::of(&monitor);
    let names = names();
    assert!(names.len() >= 22, "{names:?}");
    for name in names {
        // Nothing was verified yet, and no time is better than one of 1970: tests of verifications
        // have it. The others are of settings that this server has not.
        let is_of = |what: &&str| name.starts_with(&format!("statekeep_{what}_"));
        let is_unknown = name == "statekeep_verified_timestamp_seconds"
            || ["backup", "mirror", "syslog"].iter().any(is_of)
            || (name.starts_with("statekeep_tls_") && !name.ends_with("_total"));
        if is_unknown {
            assert!(!scrape.text.contains(&name), "{}", scrape.text);
            continue;
        }
        assert!(
            scrape.text.contains(&format!("\n# TYPE {name} "))
                || scrape.text.starts_with(&format!("# HELP {name} ")),
            "{name}"
        );
        let of_it =
            |sample: &&Sample| sample.name == name || sample.name == format!("{name}_count");
        assert!(
            scrape.samples.iter().any(|sample| of_it(&sample)),
            "{name} has no sample"
        );
    }
    assert_eq!(
        scrape
            .labels("statekeep_build_info", "version")
            .into_iter()
            .collect::<Vec<_>>(),
        [env!("CARGO_PKG_VERSION")]
    );
    assert_eq!(
        scrape.value("statekeep_in_flight_limit_bytes"),
        (8 + 32) << 20
    );
    for name in ["statekeep_database_bytes", "statekeep_disk_free_bytes"] {
        assert!(scrape.value(name) > 0, "{name}");
    }
}

#[test]
fn its_figures_fit_what_was_done() {
    let (server, owner, monitor) = busy();
    let scrape = Scrape::of(&monitor);
    let outcomes = [
        ("stored", 4),
        ("unchanged", 1),
        ("stale_write", 1),
        ("locked", 1),
        ("stale_lock_id", 1),
    ];
    for (outcome, count) in outcomes {
        assert_eq!(
            scrape.sum("statekeep_writes_total", &[("outcome", outcome)]),
            count,
            "{outcome}: {}",
            scrape.text
        );
    }
    assert_eq!(scrape.sum("statekeep_writes_total", &[]), 8);
    let requests = [
        (STATE, "POST", "200", 5),
        (STATE, "POST", "409", 2),
        (STATE, "POST", "423", 1),
        (STATE, "GET", "200", 5),
        (STATE, "GET", "404", 1),
        (STATE, "GET", "401", 1),
        (STATE, "LOCK", "200", 1),
        (STATE, "UNLOCK", "200", 1),
        ("/api/keys", "POST", "201", 3),
        ("/api/login", "POST", "200", 2),
    ];
    for (route, method, status, count) in requests {
        let labels = [("route", route), ("method", method), ("status", status)];
        assert_eq!(scrape.sum(REQUESTS, &labels), count, "{labels:?}");
    }
    let again = Scrape::of(&monitor);
    assert_eq!(
        again.sum(REQUESTS, &[("route", "/metrics")]),
        scrape.sum(REQUESTS, &[("route", "/metrics")]) + 1
    );
    // Each with its rejected ones.
    assert_eq!(
        (
            scrape.value("statekeep_states"),
            scrape.value("statekeep_versions")
        ),
        (1, 7)
    );
    eventually(
        "each job has waited once and is in one commit, but for those that are being written now",
        || {
            let scrape = Scrape::of(&monitor);
            scrape.sum("statekeep_commit_jobs_sum", &[])
                == scrape.value("statekeep_writer_queue_duration_seconds_count")
                && scrape.value("statekeep_commit_jobs_count")
                    == scrape.value("statekeep_commit_duration_seconds_count")
        },
    );
    owner
        .write("team/app", tfstate(L1, 1), None)
        .expect_status(200);
    owner.delete("team/net").expect_status(200);
    let later = Scrape::of(&monitor);
    assert_eq!(
        (
            later.value("statekeep_states"),
            later.value("statekeep_versions")
        ),
        (1, 8)
    );
    drop(server);
}

#[test]
fn its_locks_and_the_age_of_the_oldest_are_those_that_are_held() {
    let server = Server::start();
    let (owner, monitor) = (writer(&server), monitor(&server));
    let held = || {
        let scrape = Scrape::of(&monitor);
        (
            scrape.value("statekeep_locks_held"),
            scrape.value("statekeep_oldest_lock_age_seconds"),
        )
    };
    assert_eq!(held(), (0, 0));
    owner.lock("team/old", "lock-1").expect_status(200);
    assert_eq!(
        Scrape::of(&monitor).value("statekeep_locks_without_version"),
        1
    );
    eventually("the lock grows older", || held().1 >= 2);
    owner.lock("team/new", "lock-2").expect_status(200);
    let (locks, oldest) = held();
    assert!(locks == 2 && oldest >= 2, "{locks} locks, {oldest} s");
    owner.unlock("team/old", "lock-1").expect_status(200);
    let (locks, age) = held();
    assert!(
        locks == 1 && age < oldest,
        "{locks} locks, {age} s: the new one's"
    );
    owner.unlock("team/new", "lock-2").expect_status(200);
    assert_eq!(held(), (0, 0));
    eventually("nothing waits", || {
        Scrape::of(&monitor).value("statekeep_writer_queue_jobs") == 0
    });
}

/// Addresses that are all new for each number.
fn odd_paths(number: usize) -> [String; 13] {
    let name = format!("canary{number}");
    let state = state_path(&format!("canary/{name}"));
    [
        format!("/{name}"),
        format!("/{name}/{name}"),
        format!("/api/{name}"),
        format!("/api/keys/{name}"),
        format!("/api/keys/{name}/rotate"),
        state_path(&format!("canary/{}", "canary".repeat(20))),
        state_path("canary/%2e%2e"),
        format!("{state}/versions/{name}"),
        format!("{state}/{name}"),
        state.replace("buildingblock", "BuildingBlock"),
        state,
        format!("/api/events?kind={name}"),
        format!("/static/{name}"),
    ]
}

/// Methods and routes are those of the program.
fn expect_known_labels(after: &Scrape) {
    let methods: BTreeSet<String> = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "LOCK", "UNLOCK", "other",
    ]
    .map(str::to_owned)
    .into();
    let seen = after.labels(REQUESTS, "method");
    assert!(seen.is_subset(&methods), "{seen:?}");
    let known = |route: &str| route == "unknown" || (route.starts_with('/') && route.len() < 120);
    let seen = after.labels(REQUESTS, "route");
    assert!(seen.iter().all(|route| known(route)), "{seen:?}");
}

#[test]
fn nothing_that_a_client_chose_becomes_a_label() {
    let server = Setup::new().flag("--max-failures", "1000000").start();
    let (owner, monitor) = (writer(&server), monitor(&server));
    let ask = |method: &str, path: &str| {
        let mut wire = Wire::to(&server);
        wire.send(head(
            method,
            path,
            &owner,
            &["Content-Length: 0", "Connection: close"],
        ));
        wire.answer();
    };
    let methods = ["GET", "FOO", "CANARY", "PATCH", "OPTIONS", "TRACE", "get"];
    let visit = |number: usize| {
        for path in odd_paths(number) {
            for method in methods {
                ask(method, &path);
            }
        }
    };
    visit(0);
    let before = Scrape::of(&monitor);
    (1..4).for_each(visit);
    let after = Scrape::of(&monitor);
    // The first look is itself in the second.
    let series = |scrape: &Scrape| {
        scrape
            .samples
            .iter()
            .filter(|sample| {
                sample
                    .labels
                    .get("route")
                    .is_none_or(|route| route != "/metrics")
            })
            .count()
    };
    assert_eq!(
        series(&before),
        series(&after),
        "other names bring no other series"
    );
    assert!(
        after.sum(REQUESTS, &[("method", "other")]) > 100
            && after.sum(REQUESTS, &[("route", "unknown")]) > 20,
        "{}",
        after.text
    );
    for word in ["canary", "CANARY", "FOO", "PATCH"] {
        assert!(!after.text.contains(word), "{word}");
    }
    expect_known_labels(&after);
    assert!(after.labels(REQUESTS, "route").contains(STATE));
}

#[test]
fn it_tells_no_secret_and_no_name() {
    let (server, owner, monitor) = busy();
    let text = Scrape::of(&monitor).text;
    let (owner, monitor, admin) = (owner.secret(), monitor.secret(), server.admin());
    for word in [
        "team",
        "lock-1",
        L1,
        "127.0.0.1",
        "skp_",
        "skt_",
        owner,
        monitor,
        admin.secret(),
        server.data().to_str().expect("UTF-8"),
    ] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

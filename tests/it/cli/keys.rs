//! `statekeep key …`.

use crate::harness::{Client, Setup, tfstate};

use super::{L1, Place, run, stderr};

fn works(place: &Place, secret: &str) -> u16 {
    place.look(|admin| admin.with_secret(secret).read("team/net").status.as_u16())
}

#[test]
fn create_prints_the_secret_alone_so_that_a_script_can_take_it() {
    Place::both(
        |_| (),
        |place| {
            let output = place.run(&[
                "key",
                "create",
                "ci",
                "--workspace",
                "team",
                "--role",
                "writer",
            ]);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let secret = String::from_utf8(output.stdout.clone()).expect("UTF-8");
            assert!(
                secret.starts_with("skp_") && secret.ends_with('\n') && secret.lines().count() == 1,
                "{secret}"
            );
            assert!(
                stderr(&output).contains("ci"),
                "the rest is on stderr: {}",
                stderr(&output)
            );
            assert!(
                !stderr(&output).contains(secret.trim()),
                "secrets are on stdout only"
            );
            assert_eq!(works(place, secret.trim()), 404, "it works");
        },
    );
}

#[test]
fn create_takes_scope_roles_permissions_and_an_end() {
    Place::both(
        |_| (),
        |place| {
            let made = place.json(&[
                "key",
                "create",
                "a",
                "--workspace",
                "team",
                "--building-block",
                "net",
                "--permission",
                "TFSTATE_LIST",
                "--permission",
                "TFSTATE_PLAN",
                "--expires",
                "90d",
            ]);
            let key = &made["key"];
            assert_eq!(
                (key["workspace"].as_str(), key["buildingBlock"].as_str()),
                (Some("team"), Some("net"))
            );
            assert_eq!(key["permissions"].as_array().map(Vec::len), Some(2));
            let time = |name: &str| {
                humantime::parse_rfc3339(key[name].as_str().expect("a time")).expect("RFC 3339")
            };
            let days = time("expires_at")
                .duration_since(time("created_at"))
                .expect("later")
                .as_secs_f64()
                / 86_400.0;
            assert!((days - 90.0).abs() < 0.01, "{days}");
            assert_eq!(
                (
                    key["created_by"]["id"].as_str(),
                    key["created_by"]["name"].as_str()
                ),
                (Some("operator"), Some("operator"))
            );
            assert!(
                made["secret"]
                    .as_str()
                    .is_some_and(|secret| secret.starts_with("skp_"))
            );
            let admin = place.json(&["key", "create", "b", "--role", "admin"]);
            assert!(admin["key"]["workspace"].is_null());
            let two = place.json(&[
                "key",
                "create",
                "c",
                "--workspace",
                "team",
                "--role",
                "outputs",
                "--role",
                "planner",
            ]);
            assert_eq!(two["key"]["permissions"].as_array().map(Vec::len), Some(2));
        },
    );
}

#[test]
fn create_takes_its_scope_in_one_word() {
    Place::both(
        |_| (),
        |place| {
            for (word, block) in [("team", None), ("team/net", Some("net"))] {
                let name = word.replace('/', "-");
                let made = place.json(&["key", "create", &name, word, "--role", "reader"]);
                let key = &made["key"];
                assert_eq!(key["workspace"], "team");
                assert_eq!(key["buildingBlock"].as_str(), block);
            }
        },
    );
}

#[test]
fn list_and_show_tell_of_keys_but_never_their_secrets() {
    Place::both(
        |_| (),
        |place| {
            let made = place.json(&[
                "key",
                "create",
                "pipeline",
                "--workspace",
                "team",
                "--role",
                "writer",
            ]);
            let (id, secret) = (
                made["key"]["id"].as_str().expect("an id"),
                made["secret"].as_str().expect("a secret"),
            );
            let (list, show) = (place.ok(&["key", "list"]), place.ok(&["key", "show", id]));
            for text in [&list, &show] {
                assert!(
                    text.contains("pipeline") && text.contains(id) && text.contains("team"),
                    "{text}"
                );
                assert!(!text.contains(secret) && !text.contains("argon2"));
            }
            assert!(list.contains("admin"), "{list}");
            assert!(show.contains("TFSTATE_SAVE"), "{show}");
            let keys = place.json(&["key", "list"]);
            assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
            assert_eq!(place.json(&["key", "show", id]), made["key"]);
        },
    );
}

#[test]
fn a_list_longer_than_a_page_is_shown_whole() {
    let admin_makes = |admin: &Client| {
        for index in 0..60 {
            let body = serde_json::json!({
                "name": format!("key-{index}-"), "workspace": "team", "role": "reader"
            });
            admin.post_json("/api/keys", &body).expect_status(201);
        }
    };
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    admin_makes(&server.admin());
    let list = run(&data, &["key", "list"]);
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(
        (0..60).all(|index| text.contains(&format!("key-{index}-"))),
        "{text}"
    );
}

#[test]
fn rotate_prints_the_new_secret_alone_and_keeps_the_old_one_for_its_grace() {
    Place::both(
        |_| (),
        |place| {
            let made = place.json(&[
                "key",
                "create",
                "ci",
                "--workspace",
                "team",
                "--role",
                "writer",
            ]);
            let (id, first) = (
                made["key"]["id"].as_str().expect("an id"),
                made["secret"].as_str().expect("a secret"),
            );
            let second = place.ok(&["key", "rotate", id, "--grace", "10m"]);
            assert!(
                second.starts_with("skp_") && second.lines().count() == 1,
                "{second}"
            );
            assert_eq!(
                (works(place, first), works(place, second.trim())),
                (404, 404)
            );
            let third = place.ok(&["key", "rotate", id]);
            assert_eq!(
                (
                    works(place, first),
                    works(place, second.trim()),
                    works(place, third.trim())
                ),
                (401, 401, 404)
            );
            let rotated = place.json(&["key", "rotate", id]);
            assert_eq!(rotated["key"]["id"], id);
            assert!(
                rotated["secret"]
                    .as_str()
                    .is_some_and(|secret| secret != third.trim())
            );
        },
    );
}

#[test]
fn revoke_ends_a_key_at_once() {
    Place::both(
        |_| (),
        |place| {
            let made = place.json(&[
                "key",
                "create",
                "ci",
                "--workspace",
                "team",
                "--role",
                "writer",
            ]);
            let (id, secret) = (
                made["key"]["id"].as_str().expect("an id"),
                made["secret"].as_str().expect("a secret"),
            );
            assert_eq!(works(place, secret), 404);
            assert_eq!(
                place.json(&["key", "revoke", id, "--yes"])["status"],
                "revoked"
            );
            assert_eq!(works(place, secret), 401);
            let again = place.run(&["key", "revoke", id]);
            let said = stderr(&again);
            assert_eq!(again.status.code(), Some(0), "{said}");
            assert!(said.contains("was revoked already"), "{said}");
            assert!(place.ok(&["key", "show", id]).contains("revoked"));
            place.fails(&["key", "rotate", id], "key_ended");
        },
    );
}

#[test]
fn what_the_server_refuses_is_a_failure_with_its_reason() {
    Place::both(
        |admin| {
            admin
                .write("team/net", tfstate(L1, 1), None)
                .expect_status(200);
        },
        |place| {
            let nobody = "0b5f7c3e-1d2a-4c4b-9e8f-00112233aabb";
            for command in ["show", "revoke", "rotate"] {
                place.fails(&["key", command, nobody], "no_key");
            }
            place.fails(
                &[
                    "key",
                    "create",
                    "x",
                    "--workspace",
                    "team",
                    "--role",
                    "admin",
                ],
                "workspace",
            );
            place.fails(
                &[
                    "key",
                    "create",
                    "x",
                    "--workspace",
                    "team",
                    "--permission",
                    "ADM_STATUS",
                ],
                "ADM_STATUS",
            );
            place.fails(&["key", "create", "x", "--workspace", "team"], "permission");
        },
    );
}

#[test]
fn commands_at_the_same_time_all_work_or_say_that_another_is_at_it() {
    Place::both(
        |_| (),
        |place| {
            let make = |index: usize| {
                let data = place.data.clone();
                std::thread::spawn(move || {
                    run(
                        &data,
                        &[
                            "key",
                            "create",
                            &format!("n{index}"),
                            "--workspace",
                            "team",
                            "--role",
                            "reader",
                        ],
                    )
                })
            };
            let threads: Vec<_> = (0..4).map(make).collect();
            let outputs: Vec<_> = threads
                .into_iter()
                .map(|thread| thread.join().expect("a command"))
                .collect();
            let done = outputs
                .iter()
                .filter(|output| output.status.success())
                .count();
            for output in outputs.iter().filter(|output| !output.status.success()) {
                assert_eq!(output.status.code(), Some(1));
                assert!(
                    stderr(output).contains(place.data.to_str().expect("UTF-8")),
                    "{}",
                    stderr(output)
                );
            }
            assert!(done > 0);
            assert!(
                place.server.is_none() || done == 4,
                "beside a server nothing stands in the way"
            );
            let keys = place.json(&["key", "list"]);
            assert_eq!(keys["keys"].as_array().map(Vec::len), Some(done + 1));
        },
    );
}

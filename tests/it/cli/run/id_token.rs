//! `run` with an ID token of a CI system in place of a key: the command gets the token that it was
//! exchanged for, and a fresh one lets that live on.

use serde_json::{Value, json};

use super::*;
use crate::trusts::issuer::{Issuer, now};

/// A site whose server trusts an issuer for the workspace `team`.
fn trusting() -> (Site, Issuer, Value) {
    let (site, issuer) = (Site::new(), Issuer::new());
    let mut trust = issuer.trust("gitlab");
    trust["workspace"] = json!("team");
    let made = site.server.admin().post_json("/api/trusts", &trust);
    let trust = made.expect_status(201).json();
    (site, issuer, trust)
}

impl Site {
    /// Puts an ID token into its file.
    fn id_token(&self, token: &str) -> String {
        let file = self.dir.path().join("id-token");
        let next = self.dir.path().join("id-token.next");
        std::fs::write(&next, token).expect("a file");
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o600))
            .expect("permissions");
        std::fs::rename(next, &file).expect("a file");
        file.to_str().expect("UTF-8").to_owned()
    }
}

#[test]
fn the_command_gets_the_token_that_it_was_exchanged_for() {
    let (site, issuer, trust) = trusting();
    let id_token = issuer.token(&json!({}));
    let file = site.id_token(&id_token);
    let terraform = site.terraform();
    let words = [terraform.as_str(), "apply"];
    site.ok(&mut site.command(&["--id-token-file", &file], &words));
    let password = site.variable("TF_HTTP_PASSWORD").expect("a token");
    assert!(password.starts_with("skt_"), "not the ID token itself");
    site.expect_nothing_left();

    let mut by_variable = site.command(&["--id-token-env", "JOB_TOKEN"], &words);
    site.ok(by_variable.env("JOB_TOKEN", &id_token));
    assert_eq!(
        site.variable("JOB_TOKEN"),
        None,
        "it may do more than this run"
    );
    site.expect_nothing_left();
    let logins = site.server.admin().events("kind=login");
    assert_eq!(logins.len(), 2);
    for login in logins {
        assert_eq!(
            login["actor"]["id"], trust["id"],
            "and not the key: {login}"
        );
        assert_eq!(login["buildingBlock"], "net");
    }
}

#[test]
fn a_fresh_id_token_in_the_file_lets_the_token_live_on() {
    let (site, issuer, _) = trusting();
    let file = site.id_token(&issuer.token(&json!({"exp": now() + 20, "jti": "first"})));
    site.close("command");
    let terraform = site.terraform();
    let mut command = site.command(&["--id-token-file", &file], &[&terraform, "apply"]);
    let run = command.spawn().expect("it runs");
    site.reached("command");
    let me = || site.token().get("/api/whoami").json();
    let first = me()["ends_at"].clone();
    site.id_token(&issuer.token(&json!({"exp": now() + 300, "jti": "second"})));
    eventually("it is extended with the fresh one", || {
        let ends = me()["ends_at"].clone();
        ends.is_string() && ends != first
    });
    site.open("command");
    let output = run.wait_with_output().expect("it ends");
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("the ID token ends in"), "{said}");
    site.token().read(STATE).expect_status(401);
    assert_eq!(site.server.admin().events("kind=token.end").len(), 1);
}

#[test]
fn without_a_good_id_token_nothing_is_run() {
    let (site, issuer, _) = trusting();
    let terraform = site.terraform();
    let words = [terraform.as_str(), "apply"];
    let by_file = |file: &str| site.command(&["--id-token-file", file], &words);
    let expired = site.id_token(&issuer.token(&json!({"exp": now() - 5})));
    site.refused(&mut by_file(&expired), 1, "expired; get a fresh one");
    let key = site.id_token(&site.secret());
    site.refused(&mut by_file(&key), 1, "no ID token");
    site.refused(&mut by_file("/nowhere"), 1, "/nowhere");
    let mut unset = site.command(&["--id-token-env", "NOT_SET_AT_ALL"], &words);
    site.refused(&mut unset, 1, "NOT_SET_AT_ALL is not set");
    let both = ["--id-token-env", "X", "--id-token-file", "y"];
    let output = site.command(&both, &words).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let file = site.id_token(&issuer.token(&json!({})));
    std::fs::copy(&file, site.dir.path().join("key")).expect("a copy");
    site.refused(&mut site.apply(), 1, "--id-token-file");
}

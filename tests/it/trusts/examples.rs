//! `docs/ci-identity.md`: each trust of the page is made by its command, and the token beside it,
//! signed with a key of this test, reaches what the page says and nothing else.

use serde_json::{Value, json};

use super::exchange;
use super::issuer::{Issuer, Signer, now};
use crate::harness::{Server, statekeep};

const PAGE: &str = include_str!("../../../docs/ci-identity.md");
const SYSTEMS: [&str; 5] = ["GitLab", "GitHub", "Forgejo", "Kubernetes", "Jenkins"];

/// The first block of a language in a section that has these words.
fn block(section: &str, language: &str, words: &str) -> String {
    let fence = format!("```{language}\n");
    let blocks = section.split(&fence).skip(1);
    let mut texts = blocks.filter_map(|rest| rest.split("\n```").next());
    let found = texts.find(|text| text.contains(words));
    found
        .unwrap_or_else(|| panic!("no {language} with {words:?}: {section}"))
        .to_owned()
}

/// The words of the command that makes the trust, with the file of another issuer's keys.
fn command(section: &str, issuer: &Issuer) -> Vec<String> {
    let script = block(section, "sh", "statekeep trust create");
    let (_, command) = script.split_once("statekeep ").expect("a command");
    let words = shlex::split(&command.replace("\\\n", " ")).expect("a shell's words");
    let mut words = words.into_iter();
    let mut given = Vec::new();
    while let Some(word) = words.next() {
        if word.starts_with("--jwks-") {
            words.next();
            let file = issuer.file().to_str().expect("UTF-8").to_owned();
            given.extend(["--jwks-file".to_owned(), file]);
        } else {
            given.push(word);
        }
    }
    given
}

#[test]
fn each_system_of_the_page_comes_in_and_reaches_what_the_page_says() {
    let (server, issuer) = (Server::start(), Issuer::new());
    let data = server.data().to_str().expect("UTF-8");
    let is_system = |section: &&str| section.contains("statekeep trust create");
    let sections = PAGE.split("\n## ").skip(1).filter(is_system);
    let sections: Vec<&str> = sections.collect();
    let titles: Vec<&str> = sections
        .iter()
        .filter_map(|text| text.lines().next())
        .collect();
    assert_eq!(titles, SYSTEMS);
    for section in sections {
        let command = command(section, &issuer);
        let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
        words.extend(["--data", data]);
        let made = statekeep(&words).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "{said}");

        let mut claims: Value =
            serde_json::from_str(&block(section, "json", "\"iss\"")).expect("JSON");
        let now = now();
        (claims["iat"], claims["nbf"], claims["exp"]) = (json!(now), json!(now), json!(now + 300));
        let header = r#"{"alg":"RS256","kid":"rsa-1","typ":"JWT"}"#;
        let token = issuer.signed(Signer::Rsa, header, &claims.to_string());
        let answer = exchange(&server.anonymous(), &token, &json!({})).expect_status(200);
        assert_eq!(answer.json()["trust"]["name"], command[2]);
        let me = server
            .with(&token)
            .get("/api/whoami")
            .expect_status(200)
            .json();
        let workspace = me["workspace"].as_str().expect("a workspace");
        let reaches = match me["buildingBlock"].as_str() {
            Some(block) => format!("This token reaches `{workspace}/{block}`."),
            None => format!("This token reaches `{workspace}`."),
        };
        assert!(section.contains(&reaches), "{reaches}");

        // What the trust asks for is what lets it in.
        for word in command.windows(2).filter(|pair| pair[0] == "--claim") {
            let (name, _) = word[1].split_once('=').expect("a claim");
            let mut others = claims.clone();
            others[name] = json!("other");
            let token = issuer.signed(Signer::Rsa, header, &others.to_string());
            let answer = exchange(&server.anonymous(), &token, &json!({}));
            assert_eq!(answer.status, 401, "{name}: {}", answer.text());
        }
    }
}

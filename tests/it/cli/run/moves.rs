//! Before which commands a state moves, which run as they are, and which are refused: every command
//! × every situation.

use super::*;
use crate::samples::tfstate_noted;

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Becomes {
    Moved,
    AsItIs,
    Refused,
}

const WRITE: [&str; 10] = [
    "apply",
    "destroy",
    "import a b",
    "refresh",
    "taint a",
    "untaint a",
    "state mv a b",
    "state rm a",
    "state push x",
    "state replace-provider a b",
];
const LOOK: [&str; 8] = [
    "plan",
    "show",
    "output",
    "console",
    "state list",
    "state show a",
    "state pull",
    "something-else",
];
const NEED_NONE: [&str; 9] = [
    "validate",
    "fmt",
    "get",
    "graph",
    "providers",
    "providers lock",
    "test",
    "init",
    "version",
];

/// What stands for the program keeps the state of its `local` or other backend in a file beside it:
/// enough for a state to move there and back.
const KEEPER: &str = r#"#!/bin/sh
seen=$(dirname "$0")
echo "$*" >>"$seen/calls"
there="$seen/there"
case "$*" in
  init*)
    mkdir -p .terraform
    [ ! -e "$seen/to-record" ] || [ -e statekeep_backend.tf ] ||
      cp "$seen/to-record" .terraform/terraform.tfstate ;;
  "state pull -no-color") [ ! -e "$there" ] || cat "$there" ;;
  "state push -no-color -") cat >"$there" ;;
  "workspace list -no-color") echo "initialization required"; exit 1 ;;
  *) [ ! -e statekeep_backend.tf ] || touch "$seen/had-ours" ;;
esac
exit 0
"#;

struct Case {
    site: Site,
}

impl Case {
    /// The state is live here, and the sources configure a backend elsewhere.
    fn along(kind: &str) -> Self {
        let site = Site::new();
        site.server
            .admin()
            .write(STATE, tfstate_noted("l1", 3, "here"), None)
            .expect_status(200);
        site.write(
            "backend.tf",
            &format!("terraform {{\n  backend \"{kind}\" {{}}\n}}\n"),
        );
        let config = serde_json::json!({ "bucket": "b", "key": "k", "path": "kept.tfstate" });
        let record = serde_json::json!({
            "version": 3, "backend": { "type": kind, "hash": 1, "config": config }
        });
        std::fs::write(site.tool("to-record"), record.to_string()).expect("a file");
        site.program("terraform", KEEPER);
        Self { site }
    }

    /// Nothing is here, and a file of the module holds a state.
    fn back() -> Self {
        let site = Site::new();
        site.write("terraform.tfstate", "what the program reads");
        std::fs::write(site.tool("there"), tfstate_noted("l1", 3, "there")).expect("a file");
        site.program("terraform", KEEPER);
        Self { site }
    }

    #[track_caller]
    fn becomes(&self, flags: &[&str], line: &str) -> Becomes {
        let _ = std::fs::remove_file(self.site.tool("calls"));
        let terraform = self.site.terraform();
        let words: Vec<&str> = std::iter::once(terraform.as_str())
            .chain(line.split(' '))
            .collect();
        let lives = || self.site.server.admin().read(STATE).status.as_u16();
        let before = lives();
        let output = self.site.command(flags, &words).output().expect("it runs");
        let said = stderr(&output);
        let ran = self.site.calls().last().is_some_and(|last| last == line);
        let moved = lives() != before;
        assert!(!self.site.path(FILE).exists());
        match output.status.code() {
            Some(0) if ran && moved => Becomes::Moved,
            Some(0) if ran => Becomes::AsItIs,
            Some(1) if !ran && !moved => {
                assert!(
                    said.contains("was not run")
                        && said.contains("--transfer=now")
                        && said.contains("--transfer=never"),
                    "{line}: {said}"
                );
                Becomes::Refused
            }
            code => panic!("{line}: {code:?}, ran {ran}, moved {moved}: {said}"),
        }
    }
}

#[test]
fn along_it_moves_before_what_writes_alone() {
    for line in WRITE {
        let case = Case::along("s3");
        assert_eq!(case.becomes(&[], line), Becomes::Moved, "{line}");
        case.site
            .server
            .admin()
            .read(STATE)
            .expect_problem(410, "transferred");
    }
    let case = Case::along("s3");
    for line in LOOK {
        assert_eq!(case.becomes(&[], line), Becomes::Refused, "{line}");
    }
    for line in NEED_NONE {
        assert_eq!(case.becomes(&[], line), Becomes::AsItIs, "{line}");
    }
    for line in WRITE.iter().chain(&LOOK).chain(&NEED_NONE) {
        assert_eq!(
            case.becomes(&["--transfer", "never"], line),
            Becomes::AsItIs,
            "never: {line}"
        );
    }
    assert!(!case.site.tool("there").exists());
    assert_eq!(case.becomes(&["--transfer", "now"], "plan"), Becomes::Moved);
    // Nothing is left that could move: from now on they all run as they are.
    for line in ["apply", "plan", "output", "init"] {
        assert_eq!(case.becomes(&[], line), Becomes::AsItIs, "{line}");
    }
}

#[test]
fn to_a_local_file_it_moves_only_where_that_is_asked_for() {
    let case = Case::along("local");
    for line in WRITE.iter().chain(&LOOK) {
        assert_eq!(case.becomes(&[], line), Becomes::Refused, "{line}");
    }
    for line in NEED_NONE {
        assert_eq!(case.becomes(&[], line), Becomes::AsItIs, "{line}");
    }
    for line in ["apply", "plan"] {
        assert_eq!(
            case.becomes(&["--transfer", "never"], line),
            Becomes::AsItIs,
            "never: {line}"
        );
    }
    assert_eq!(
        case.becomes(&["--transfer", "now"], "apply"),
        Becomes::Moved
    );
}

#[test]
fn where_nothing_lives_here_nothing_is_refused() {
    let site = Site::new();
    site.write("backend.tf", "terraform {\n  backend \"local\" {}\n}\n")
        .program("terraform", KEEPER);
    let case = Case { site };
    for line in WRITE.iter().chain(&LOOK).chain(&NEED_NONE) {
        assert_eq!(case.becomes(&[], line), Becomes::AsItIs, "{line}");
    }
}

#[test]
fn back_it_moves_before_what_writes_alone() {
    for line in ["apply", "destroy", "state rm a"] {
        let case = Case::back();
        assert_eq!(case.becomes(&[], line), Becomes::Moved, "{line}");
        assert!(
            !case.site.path("terraform.tfstate").exists()
                && case
                    .site
                    .path("terraform.tfstate.moved-to-statekeep")
                    .exists()
        );
    }
    let case = Case::back();
    for line in LOOK {
        assert_eq!(case.becomes(&[], line), Becomes::Refused, "{line}");
    }
    for line in NEED_NONE {
        assert_eq!(case.becomes(&[], line), Becomes::AsItIs, "{line}");
        assert!(
            !case.site.tool("had-ours").exists(),
            "{line}: it ran without our file"
        );
    }
    assert!(case.site.path("terraform.tfstate").exists());
    assert_eq!(case.becomes(&["--transfer", "now"], "plan"), Becomes::Moved);
    let case = Case::back();
    assert_eq!(
        case.becomes(&["--transfer", "never"], "plan"),
        Becomes::AsItIs
    );
    assert!(case.site.tool("had-ours").exists() && case.site.path("terraform.tfstate").exists());
}

/// What is in both places is here already.
#[test]
fn a_copy_of_what_is_here_is_in_no_commands_way() {
    let case = Case::back();
    case.site
        .server
        .admin()
        .write(STATE, tfstate_noted("l1", 3, "there"), None)
        .expect_status(200);
    for line in LOOK {
        assert_eq!(case.becomes(&[], line), Becomes::AsItIs, "{line}");
    }
}

//! Modules of several files, as each program loads them.

use super::*;

#[test]
fn whether_the_state_may_be_encrypted() {
    let block = "terraform {\n  encryption {\n  }\n}\n";
    let json = r#"{"terraform": {"encryption": {}}}"#;
    let files: [(&[(&str, &str)], bool); 6] = [
        (&[("main.tf", block)], true),
        (
            &[(
                "main.tf",
                "encryption {}\nterraform {\n  encryptions {}\n}\n# encryption {}\n",
            )],
            false,
        ),
        (&[("main.tf", ""), ("more.tofu", block)], true),
        (&[("main.tf", ""), ("more.tf.json", "{}")], false),
        (&[("main.tf", ""), ("more.tf.json", json)], true),
        (&[], false),
    ];
    for (files, expected) in files {
        assert_eq!(look(files, None, true).may_encrypt, expected, "{files:?}");
    }
    let unexamined = look(&[("main.tf", ""), ("more.tf.json", "{}")], None, false);
    assert!(
        unexamined.may_encrypt && unexamined.answer == Answer::None,
        "what nobody looked into may say so"
    );
    assert_eq!(
        look(&[("main.tf", ""), ("more.tofu", block)], None, true).answer,
        Answer::None,
        "it changes no answer"
    );
}

#[test]
fn each_program_has_its_answer() {
    let ours = "terraform {\n  backend \"http\" {}\n}\n";
    let files = [("main.tf", ""), ("main.tofu", ours)];
    assert_eq!(
        short(&look(&files, Some(Program::Terraform), false)),
        "none"
    );
    assert_eq!(
        short(&look(&files, Some(Program::Tofu), false)),
        "backend http 2:3"
    );
    assert_eq!(short(&look(&files, None, false)), "? 2");
    // Only OpenTofu could load it.
    assert_eq!(short(&look(&files[1..], None, false)), "backend http 2:3");
    // A block that OpenTofu does not see.
    let hidden = [("main.tf", ours), ("main.tofu", "")];
    assert_eq!(short(&look(&hidden, None, false)), "? 2");
    assert_eq!(short(&look(&hidden, Some(Program::Tofu), false)), "none");
    // What OpenTofu adds makes no difference.
    assert_eq!(
        short(&look(&[("main.tf", ours), ("more.tofu", "")], None, false)),
        "backend http 2:3"
    );
    // A hidden file that does not parse is in doubt for a program that loads it.
    let broken = [("main.tf", "}"), ("main.tofu", ours)];
    assert_eq!(
        short(&look(&broken, Some(Program::Tofu), false)),
        "backend http 2:3"
    );
    assert_eq!(short(&look(&broken, None, false)), "? 1");
}

#[test]
fn of_override_files_the_last_holds() {
    let block = |name: &str| format!("terraform {{\n  backend \"{name}\" {{}}\n}}\n");
    let (one, two, three) = (block("one"), block("two"), block("three"));
    let detection = look(
        &[
            ("a_override.tf", &two),
            ("z.tf", &one),
            ("override.tf", &three),
        ],
        None,
        false,
    );
    assert_eq!(
        detection.effective().expect("configured").label.as_deref(),
        Some("three")
    );
    assert_eq!(detection.found.len(), 3);
}

#[test]
fn lists_are_cut_but_the_last_holds() {
    let text = format!(
        "{}terraform {{\n  cloud {{}}\n}}\n",
        "terraform {\n  backend \"x\" {}\n}\n".repeat(MAX_TOLD)
    );
    let detection = look(&[("main.tf", &text)], None, false);
    assert!(detection.truncated);
    assert_eq!(
        (
            detection.found.len(),
            detection.effective().map(|found| found.kind)
        ),
        (MAX_TOLD, Some(BlockKind::Cloud))
    );
}

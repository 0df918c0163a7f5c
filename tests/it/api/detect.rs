//! `POST /api/terraform/detect`: the same answer as the command's, for files that are sent.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::harness::{Client, Server};

const PATH: &str = "/api/terraform/detect";
const BACKEND: &str = "terraform {\n  backend \"http\" {}\n}\n";

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder
            .append_data(&mut header, name, *content)
            .expect("an entry");
    }
    builder.into_inner().expect("an archive")
}

fn send_tar(caller: &Client, query: &str, body: Vec<u8>) -> Answer {
    Client::ask(
        caller
            .request("POST", &format!("{PATH}{query}"))
            .header("Content-Type", "application/x-tar")
            .body(body),
    )
}

#[track_caller]
fn answered(answer: Answer) -> Value {
    answer.expect_status(200).json()
}

#[test]
fn a_map_of_files_and_a_tar_have_the_same_answer() {
    let server = Server::start();
    let caller = server.key("team", "outputs");
    let sent = answered(caller.post_json(
        PATH,
        &json!({
            "files": {"main.tf": BACKEND, "a.tf.json": "{}", "README.md": "x", "child/x.tf": "}"}
        }),
    ));
    let expected = json!({
        "answer": "configured", "program": null, "undecided": [], "not_examined": ["a.tf.json"],
        "truncated": false,
        "found": [{"kind": "backend", "type": "http", "file": "main.tf", "line": 2, "column": 3}],
    });
    assert_eq!(sent, expected);
    let files: [(&str, &[u8]); 4] = [
        ("./main.tf", BACKEND.as_bytes()),
        ("./a.tf.json", b"{}"),
        ("README.md", b"x"),
        ("./child/x.tf", b"}"),
    ];
    assert_eq!(answered(send_tar(&caller, "", tar(&files))), expected);
}

#[test]
fn program_and_json_are_asked_for() {
    let server = Server::start();
    let caller = server.key("team", "reader");
    let files = json!({
        "main.tf": "", "main.tofu": BACKEND, "b.tf.json": "{\"terraform\": {\"cloud\": {}}}"
    });
    let answer = |more: Value| {
        let mut body = json!({"files": files});
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        answered(caller.post_json(PATH, &body))["answer"].clone()
    };
    assert_eq!(answer(json!({})), "undecided");
    assert_eq!(answer(json!({"program": "terraform"})), "none");
    assert_eq!(answer(json!({"program": "tofu"})), "configured");
    assert_eq!(
        answer(json!({"program": "terraform", "include_json": true})),
        "configured"
    );
    let archive = tar(&[("main.tf", b""), ("main.tofu", BACKEND.as_bytes())]);
    assert_eq!(
        answered(send_tar(&caller, "?program=tofu", archive.clone()))["answer"],
        "configured"
    );
    assert_eq!(
        answered(send_tar(
            &caller,
            "?program=terraform&include_json=true",
            archive
        ))["answer"],
        "none"
    );
}

#[test]
fn links_and_bytes_that_are_no_text_are_undecided() {
    let server = Server::start();
    let caller = server.admin();
    assert_eq!(
        answered(send_tar(&caller, "", tar(&[("main.tf", b"# \xff\n")])))["answer"],
        "undecided"
    );
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder
        .append_link(&mut header, "main.tf", "elsewhere.tf")
        .expect("a link");
    let answer = answered(send_tar(
        &caller,
        "",
        builder.into_inner().expect("an archive"),
    ));
    assert_eq!(
        (&answer["answer"], &answer["undecided"][0]["file"]),
        (&json!("undecided"), &json!("main.tf"))
    );
    let nested = format!("x = {}", "[".repeat(100_000));
    assert_eq!(
        answered(caller.post_json(PATH, &json!({"files": {"main.tf": nested}})))["answer"],
        "undecided"
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = Server::start();
    let caller = server.key("team", "reader");
    let post = |body: &str| caller.send("POST", PATH, body.to_owned());
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"files": []}"#,
        r#"{"files": {"a.tf": 1}}"#,
        r#"{"files": {}, "program": "pulumi"}"#,
        r#"{"files": {}, "x": 1}"#,
    ] {
        post(body).expect_problem(400, "bad_body");
    }
    post(r#"{"files": {"a.tf": "", "a.tf": ""}}"#).expect_problem(400, "bad_files");
    post(r#"{"files": {"../a.tf": ""}}"#).expect_problem(400, "bad_files");
    post(r#"{"files": {"module/a.tf": ""}}"#).expect_problem(400, "bad_files");
    post(r#"{"files": {}}"#).expect_status(200);
    caller
        .send("POST", &format!("{PATH}?program=tofu"), r#"{"files": {}}"#)
        .expect_problem(400, "bad_query");
    send_tar(&caller, "?program=x", tar(&[])).expect_problem(400, "bad_query");
    send_tar(&caller, "", tar(&[])).expect_status(200);
    send_tar(&caller, "", tar(&[("module/main.tf", b"")])).expect_problem(400, "bad_files");
    let archive = tar(&[("main.tf", &[b'#'; 5_000])]);
    send_tar(&caller, "", archive[..2_048].to_vec()).expect_problem(400, "bad_files");
    send_tar(&caller, "", archive[..1_000].to_vec()).expect_problem(400, "bad_files");
    send_tar(&caller, "", vec![7; 2_048]).expect_problem(400, "bad_files");
    server
        .anonymous()
        .post_json(PATH, &json!({"files": {}}))
        .expect_status(401);
}

#[test]
fn a_module_may_have_4_mib_and_a_file_1_mib() {
    let server = Server::start();
    let caller = server.key("team", "reader");
    let files = |count: usize, size: usize| {
        let content = "#".repeat(size);
        let files = (0..count).map(|number| (format!("{number}.tf"), json!(content)));
        json!({"files": files.collect::<serde_json::Map<_, _>>()})
    };
    assert_eq!(
        answered(caller.post_json(PATH, &files(3, 1024 * 1024)))["answer"],
        "none"
    );
    caller
        .post_json(PATH, &files(1, 1024 * 1024 + 1))
        .expect_problem(413, "module_too_large");
    caller
        .post_json(PATH, &files(5, 1024 * 1024))
        .expect_problem(413, "module_too_large");
    caller
        .post_json(PATH, &files(10_001, 1))
        .expect_problem(400, "bad_files");
}

//! What a comparison takes of the budget: both states as often again, and four times what is not
//! written alike in both. So large states are compared where little differs.

use serde_json::{Value, json};

use crate::disk::noise;
use crate::harness::{Client, Setup, eventually, state_path};
use crate::scrape::{eventually_all_is_back, monitor};

use super::{KIB, L1, MIB, writer};

/// A state of many resources of 10 KiB, of which one has this mark.
fn marked(serial: u64, resources: usize, mark: &str) -> String {
    let one = |number: usize| {
        // So that a full frame has a tenth of it, and a delta next to nothing.
        let padding = noise(number as u64, KIB).repeat(10);
        let mark = if number == resources / 2 { mark } else { "" };
        json!({
            "mode": "managed", "type": "t", "name": format!("n{number}"),
            "provider": "provider[\"p\"]",
            "instances": [{"attributes": {"id": number.to_string(), "mark": mark, "p": padding}}]
        })
    };
    let all: Vec<Value> = (0..resources).map(one).collect();
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": L1,
        "resources": all
    })
    .to_string()
}

/// What a version changed: the whole answer.
fn diff(client: &Client, number: u64) -> Value {
    let path = format!("{}/versions/{number}/diff", state_path("team/net"));
    client.get(&path).expect_status(200).json()
}

#[test]
fn two_states_that_are_nearly_alike_are_compared_in_twice_their_size() {
    let server = Setup::new()
        .flag("--max-state-size", "1MiB")
        .flag("--max-in-flight", "4MiB")
        .flag("--cache-size", "0")
        .start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let states = [marked(1, 95, "a"), marked(2, 95, "b")];
    for state in &states {
        let both = 2 * state.len();
        assert!(both > 4 * MIB / 5 && both < 2 * MIB, "{both}");
        writer.write("team/net", state, None).expect_status(200);
    }
    // What the server does by itself takes memory for a moment.
    eventually("they are compared", || {
        let answer = diff(&writer, 2);
        answer["diff"]["counts"]["changed"] == 1
    });
    let answer = diff(&writer, 2);
    let attributes = &answer["diff"]["resources"][0]["attributes"];
    assert_eq!(
        (&attributes[0]["path"], attributes.as_array().map(Vec::len)),
        (&json!("mark"), Some(1)),
        "{attributes}"
    );
    let answer = diff(&writer, 1);
    let (code, detail) = (
        &answer["not_compared"]["code"],
        answer["not_compared"]["detail"].as_str(),
    );
    assert_eq!(code, "too_large", "all of the first one is new");
    assert!(
        detail.is_some_and(|detail| detail.contains("not written alike")),
        "{detail:?}"
    );
    eventually_all_is_back(&monitor, "after comparisons");
}

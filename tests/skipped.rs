//! Runs after `it` and names what was skipped there, so that nobody takes a run without Terraform
//! for a whole one.
#![expect(clippy::print_stdout, reason = "printing is all it does")]

fn main() {
    let list = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let names = std::fs::read_to_string(&list).unwrap_or_default();
    let _ = std::fs::remove_file(&list);
    let mut names: Vec<&str> = names.lines().collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        println!("\nno test was skipped for want of a program");
        return;
    }
    println!(
        "\n{} TESTS WERE SKIPPED for want of a program:",
        names.len()
    );
    for name in names {
        println!("  {name}");
    }
}

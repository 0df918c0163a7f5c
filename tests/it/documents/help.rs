//! What `--help` of each command says, taken apart: commands below it, flags, defaults, variables.

use crate::harness::statekeep;

/// One command.
pub(super) struct Help {
    /// Its name without the program's, such as `key create`; the program itself has none.
    pub(super) name: String,
    /// All that it prints.
    pub(super) text: String,
    /// Its flags but for `--help` and the program's `--version`.
    pub(super) flags: Vec<Flag>,
    /// The commands below it.
    below: Vec<String>,
}

/// One flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flag {
    /// With its dashes.
    pub(super) name: String,
    /// Its value if it is not given.
    pub(super) default: Option<String>,
    /// The variable that sets it.
    pub(super) variable: Option<String>,
    /// The heading that it stands under.
    pub(super) heading: String,
}

/// The flags of every command, which say nothing about any.
const OF_ALL: [&str; 3] = ["-h, --help", "-V, --version", "--help"];

impl Help {
    fn of(name: &str) -> Self {
        let words: Vec<&str> = name.split_whitespace().chain(["--help"]).collect();
        let output = statekeep(&words).output().expect("the binary runs");
        assert!(output.status.success(), "{words:?}");
        let text = String::from_utf8(output.stdout).expect("help is text");
        Self::read(name, &text)
    }

    /// Takes the text of a command's help apart.
    pub(super) fn read(name: &str, text: &str) -> Self {
        let (mut flags, mut below, mut heading) = (Vec::<(Flag, String)>::new(), Vec::new(), "");
        let mut is_skipped = false;
        for line in text.lines() {
            let is_heading = !line.is_empty() && !line.starts_with(' ');
            if is_heading {
                heading = line.trim_end_matches(':');
                is_skipped = true;
            } else if heading == "Commands" {
                below.extend(command_of(line).map(str::to_owned));
            } else if let Some(flag) = flag_of(line) {
                is_skipped = OF_ALL.iter().any(|of_all| line.trim().starts_with(of_all));
                let found = (flag_named(flag, heading), line.to_owned());
                flags.extend((!is_skipped).then_some(found));
            } else if let Some((_, about)) = flags.last_mut().filter(|_| !is_skipped) {
                about.push(' ');
                about.push_str(line.trim());
            }
        }
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            flags: flags.into_iter().map(described).collect(),
            below,
        }
    }

    /// Whether it is a group of commands.
    pub(super) fn is_group(&self) -> bool {
        !self.below.is_empty()
    }
}

/// Every command of the program, the program itself among them.
pub(super) fn all() -> Vec<Help> {
    let (mut found, mut left) = (Vec::new(), vec![String::new()]);
    while let Some(name) = left.pop() {
        let help = Help::of(&name);
        let below = help.below.iter();
        left.extend(below.map(|word| format!("{name} {word}").trim().to_owned()));
        found.push(help);
    }
    assert!(found.len() > 30, "{} commands were found", found.len());
    found
}

/// The flag that a line begins to describe: at most six spaces before it, so that flags within a
/// description are none.
fn flag_of(line: &str) -> Option<&str> {
    let indent = line.len() - line.trim_start().len();
    let rest = line.trim_start();
    let is_short = rest.starts_with('-') && rest.get(2..6) == Some(", --");
    let rest = if is_short { &rest[4..] } else { rest };
    let is_flag = (2..=6).contains(&indent) && rest.starts_with("--") && rest.len() > 2;
    is_flag.then(|| rest.split([' ', '[', '=']).next().unwrap_or_default())
}

/// The command that a line of a list begins to describe.
fn command_of(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("  ")?;
    if rest.starts_with(' ') {
        return None;
    }
    rest.split_whitespace().next()
}

fn flag_named(name: &str, heading: &str) -> Flag {
    Flag {
        name: name.to_owned(),
        default: None,
        variable: None,
        heading: heading.to_owned(),
    }
}

/// The flag with what its description says of it.
fn described((flag, about): (Flag, String)) -> Flag {
    let between = |start: &str| {
        let rest = &about[about.find(start)? + start.len()..];
        Some(rest[..rest.find(']')?].trim().to_owned())
    };
    let variable = between("[env: ");
    let variable = variable.map(|set| set.split('=').next().unwrap_or_default().to_owned());
    Flag {
        default: between("[default: "),
        variable,
        ..flag
    }
}

#[test]
fn help_is_taken_apart_as_it_is_printed() {
    let text = "Does it\n\nUsage: x [OPTIONS]\n\nCommands:\n  a  Does a --not\n  bc  Does b\n\n\
        Options:\n      --size <SIZE>\n          How large; see --other [default: 64\n          \
        MiB]\n\n          [env: X_SIZE=]\n\n      --yes\n          Do not ask\n\n  -h, --help\n\
        \x20         Print [default: no]\n\nCommon flags:\n      --data <DIR>  Where \
        [env: X_DATA=/tmp] [default: ./x]\n\nExamples:\n  x --fake\n";
    let help = Help::read("x", text);
    assert_eq!(help.below, ["a", "bc"]);
    let flag = |name: &str, default: Option<&str>, variable: Option<&str>, heading: &str| Flag {
        name: name.to_owned(),
        default: default.map(str::to_owned),
        variable: variable.map(str::to_owned),
        heading: heading.to_owned(),
    };
    let expected = [
        flag("--size", Some("64 MiB"), Some("X_SIZE"), "Options"),
        flag("--yes", None, None, "Options"),
        flag("--data", Some("./x"), Some("X_DATA"), "Common flags"),
    ];
    assert_eq!(help.flags, expected);
}

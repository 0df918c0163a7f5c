//! `statekeep configure`: writes the one file that says where a module's state goes, only where its sources do not, and takes it away again.
//!
//! Never over a file that it did not write, never through a link, never beside sources that it cannot judge, and never with a secret in it.

use std::io::ErrorKind;
use std::path::Path;

use clap::Args;
use reqwest::Url;
use serde_json::json;

use super::Format;
use super::detect::{self, Module};
use super::output::{self, Failure};
use crate::hcl::{Answer, Backend, Detection, FILE, Found, HIDING_FILE, Kind, Present};
use crate::model::name::{BuildingBlock, StateName, Workspace};

/// Where a server listens that was told nothing else.
const DEFAULT_BASE_URL: &str = "http://127.0.0.1:8680";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of a command")]
pub(super) struct ConfigureArgs {
    #[command(flatten)]
    module: Module,
    /// The state's workspace
    #[arg(long, value_name = "W", required_unless_present = "remove")]
    workspace: Option<Workspace>,
    /// The state's building block
    #[arg(long, value_name = "B", required_unless_present = "remove", requires = "workspace")]
    building_block: Option<BuildingBlock>,
    /// How the client reaches the server
    #[arg(long, visible_alias = "url", env = "STATEKEEP_URL", default_value = DEFAULT_BASE_URL, value_name = "URL")]
    base_url: String,
    /// Write the file although JSON files were not examined
    #[arg(long, conflicts_with = "include_json")]
    ignore_json: bool,
    /// Write the file anew where an earlier one of ours names another address; the state is not moved
    #[arg(long, conflicts_with = "remove")]
    replace: bool,
    /// Take away the file that was written
    #[arg(long)]
    remove: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    check: bool,
    /// How to print what was done
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What is to be done with the file.
enum Plan {
    Create(Backend),
    Replace(Backend),
    Remove,
    /// Nothing, and why: a word for scripts, a sentence for people.
    Nothing(&'static str, String),
}

/// Runs it.
pub(super) fn run(args: &ConfigureArgs) -> Result<(), Failure> {
    let address = address(args)?;
    let plan = if args.remove { removal(args, address.as_ref())? } else { plan(args, &required(address)?)? };
    if !args.check {
        act(&args.module.dir, &plan)?;
    }
    tell(args, &plan)
}

/// Where a state is: a server, and a name on it.
struct Address {
    base: Url,
    name: StateName,
}

impl Address {
    fn text(&self) -> String {
        format!("{}{}", self.base.as_str().trim_end_matches('/'), self.name.path())
    }

    /// Whether another address is the same state, however it is spelled.
    fn is(&self, other: &str) -> bool {
        let Ok(url) = Url::parse(other) else { return false };
        let base = self.base.path().trim_end_matches('/');
        let Some(path) = url.path().strip_prefix(base).and_then(|path| path.strip_prefix("/api/terraform/state/workspace/")) else {
            return false;
        };
        let name = match path.split('/').collect::<Vec<_>>().as_slice() {
            [workspace, segment, block] if segment.eq_ignore_ascii_case("buildingblock") => StateName::parse(workspace, block).ok(),
            _ => None,
        };
        url.origin() == self.base.origin() && name.as_ref() == Some(&self.name)
    }
}

fn address(args: &ConfigureArgs) -> Result<Option<Address>, Failure> {
    let (Some(workspace), Some(block)) = (args.workspace.clone(), args.building_block.clone()) else {
        let asked_for_less = args.workspace.is_some();
        let incomplete = || Failure::Usage("--workspace needs --building-block".to_owned());
        return if asked_for_less { Err(incomplete()) } else { Ok(None) };
    };
    Ok(Some(Address { base: base_url(&args.base_url)?, name: StateName { workspace, block } }))
}

fn required(address: Option<Address>) -> Result<Address, Failure> {
    address.ok_or_else(|| Failure::Usage("--workspace and --building-block say which state it is".to_owned()))
}

/// An address without anything that is secret or has no place in it. What is wrong is not repeated: it may hold a password.
fn base_url(text: &str) -> Result<Url, Failure> {
    let wrong = |what: &str| Failure::Usage(format!("--base-url {what}"));
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("has to begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "has credentials in it, which Terraform copies into plan files; give them in TF_HTTP_USERNAME and TF_HTTP_PASSWORD",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("ends before any `?` or `#`"));
    }
    Ok(url)
}

/// What is to be done so that the module's state goes to an address.
fn plan(args: &ConfigureArgs, wanted: &Address) -> Result<Plan, Failure> {
    let dir = &args.module.dir;
    // Says first that there is no such directory.
    let all = args.module.look(None)?;
    let present = Backend::present(dir)?;
    let others = if matches!(present, Present::Ours(_)) { args.module.look(Some(FILE))? } else { all };
    match (others.answer, others.effective()) {
        (Answer::Undecided, _) => return Err(undecided(dir, &others)),
        (_, Some(found)) => return beside(dir, &present, found, wanted),
        (Answer::None | Answer::Configured, None) => {}
    }
    refuse_unexamined(args, &others)?;
    if dir.join(HIDING_FILE).symlink_metadata().is_ok() {
        let hiding = detect::in_dir(dir, HIDING_FILE);
        return Err(Failure::Failed(format!("{hiding} would hide {FILE} from tofu, so nothing was written; rename it")));
    }
    let backend = Backend { address: wanted.text() };
    let file = detect::in_dir(dir, FILE);
    match present {
        Present::Nothing => Ok(Plan::Create(backend)),
        Present::Ours(ours) if ours == backend => Ok(Plan::Nothing("unchanged", format!("{file} says so already"))),
        Present::Ours(_) if args.replace => Ok(Plan::Replace(backend)),
        Present::Ours(ours) => Err(Failure::Failed(format!(
            "{file} was written for {}, and the state may be there; --replace writes it anew and moves nothing",
            ours.address
        ))),
        Present::Theirs => Err(not_ours(dir)),
    }
}

fn undecided(dir: &Path, detection: &Detection) -> Failure {
    let lines = detect::lines(dir, detection);
    Failure::Failed(format!("it is undecided whether the module says where its state goes, so nothing is written:\n{}", lines.join("\n")))
}

/// The sources say themselves where the state goes.
fn beside(dir: &Path, present: &Present, found: &Found, wanted: &Address) -> Result<Plan, Failure> {
    let (place, block) = (detect::place(dir, found), detect::block(found));
    if matches!(present, Present::Ours(_)) {
        return Err(Failure::Failed(format!(
            "{place} configures `{block}`, and {} is still there from before; `statekeep configure --remove` takes it away",
            detect::in_dir(dir, FILE)
        )));
    }
    let is_ours = found.kind == Kind::Backend && found.address.as_deref().is_some_and(|address| wanted.is(address));
    Ok(if is_ours {
        Plan::Nothing("ours", format!("{place} points at this state already"))
    } else {
        Plan::Nothing("configured", format!("{place} configures `{block}` itself, so the state goes there"))
    })
}

fn refuse_unexamined(args: &ConfigureArgs, detection: &Detection) -> Result<(), Failure> {
    let Some(file) = detection.not_examined.first().filter(|_| !args.ignore_json) else { return Ok(()) };
    let file = detect::in_dir(&args.module.dir, file);
    Err(Failure::Failed(format!(
        "{file} was not examined and may configure a backend, so nothing is written; say --include-json, or --ignore-json if you know better"
    )))
}

fn not_ours(dir: &Path) -> Failure {
    let file = detect::in_dir(dir, FILE);
    Failure::Failed(format!("{file} is not as `statekeep configure` wrote it, so it is left alone; look at it, and remove it yourself"))
}

/// What is to be done so that the file is gone.
fn removal(args: &ConfigureArgs, named: Option<&Address>) -> Result<Plan, Failure> {
    let dir = &args.module.dir;
    if !dir.is_dir() {
        return Err(Failure::Usage(format!("{}: there is no such directory", dir.display())));
    }
    match Backend::present(dir)? {
        Present::Nothing => Ok(Plan::Nothing("absent", format!("there is no {}", detect::in_dir(dir, FILE)))),
        Present::Theirs => Err(not_ours(dir)),
        Present::Ours(ours) if named.is_some_and(|named| named.text() != ours.address) => {
            let file = detect::in_dir(dir, FILE);
            Err(Failure::Failed(format!("{file} is for another state, {}, so it is left alone", ours.address)))
        }
        Present::Ours(_) => Ok(Plan::Remove),
    }
}

fn act(dir: &Path, plan: &Plan) -> Result<(), Failure> {
    let done = match plan {
        Plan::Create(backend) => backend.create(dir),
        Plan::Replace(backend) => backend.replace(dir),
        Plan::Remove => Backend::remove(dir),
        Plan::Nothing(..) => Ok(()),
    };
    let file = detect::in_dir(dir, FILE);
    done.map_err(|error| {
        let appeared = error.kind() == ErrorKind::AlreadyExists;
        Failure::Failed(if appeared { format!("{file} appeared meanwhile, so it is left alone") } else { format!("{file}: {error}") })
    })
}

fn tell(args: &ConfigureArgs, plan: &Plan) -> Result<(), Failure> {
    let file = detect::in_dir(&args.module.dir, FILE);
    let (word, address) = match plan {
        Plan::Create(backend) => ("written", Some(&backend.address)),
        Plan::Replace(backend) => ("replaced", Some(&backend.address)),
        Plan::Remove => ("removed", None),
        Plan::Nothing(word, _) => (*word, None),
    };
    match args.format {
        Format::Json => output::json(&json!({ "result": word, "file": file, "address": address, "check": args.check })),
        Format::Text => {
            let would = if args.check { "would be" } else { "was" };
            output::line(&match plan {
                Plan::Create(backend) | Plan::Replace(backend) => format!("{file} {would} {word} for {}", backend.address),
                Plan::Remove => format!("{file} {would} removed"),
                Plan::Nothing(_, why) => format!("{why}; nothing {would} done"),
            })
        }
    }
}

//! Where the state of a module goes, by what its sources say, what `init` is told, what is recorded, and what the environment adds.
//!
//! What a killed command left in the module is seen for what it is, and taken away where it is in the way.

use std::path::PathBuf;

use clap::Args;

use super::folder;
use crate::cli::configure::address::{Address, Base};
use crate::cli::configure::sources::{Beside, Sources};
use crate::cli::detect::{Asked, Module};
use crate::cli::output::Failure;
use crate::cli::tool::{Invocation, Record, SETTINGS};
use crate::hcl::{FILE, Found, Kind, Program};
use crate::model::name::{BuildingBlock, Workspace};

/// Where `OpenTofu` takes a configuration of its encryption from, beside the sources.
const ENCRYPTION: &str = "TF_ENCRYPTION";

/// Where the state of a module goes.
pub(in crate::cli) enum Goes {
    /// Nowhere yet.
    Nowhere {
        /// Whether the program may encrypt the state: only it can store it then.
        may_encrypt: bool,
    },
    /// To this very state, by the sources' own words.
    Here,
    /// Elsewhere.
    Elsewhere(Found),
}

/// What every command takes that wraps a program: which state it is about, where the module lies, and how the server is reached.
#[derive(Args)]
pub(in crate::cli) struct Subject {
    /// The state's workspace
    #[arg(long, value_name = "W")]
    workspace: Workspace,
    /// The state's building block
    #[arg(long, value_name = "B")]
    building_block: BuildingBlock,
    /// The directory in which the program runs
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(in crate::cli) dir: PathBuf,
    /// The program that is to load the module, where its file's name does not say so
    #[arg(long, value_enum)]
    pub(in crate::cli) program: Option<Asked>,
    /// Examine JSON files (`.tf.json`, `.tofu.json`) as well
    #[arg(long)]
    include_json: bool,
    #[command(flatten)]
    beside: Beside,
    #[command(flatten)]
    base: Base,
    /// The file with the API key's secret
    #[arg(long, env = "STATEKEEP_KEY_FILE", value_name = "FILE")]
    pub(in crate::cli) key_file: PathBuf,
}

impl Subject {
    /// The state's address.
    pub(in crate::cli) fn address(&self) -> Result<Address, Failure> {
        self.base.state(self.workspace.clone(), self.building_block.clone())
    }

    /// Looks at the module, and removes what a killed command left where it is in the way.
    pub(in crate::cli) fn goes(&self, invocation: &Invocation, address: &Address) -> Result<Goes, Failure> {
        let root = invocation.root();
        let program = self.program.map(Program::from).or(invocation.program());
        let module = Module::at(root, program.map(Asked::from), self.include_json);
        folder::sweep(root)?;
        let is_left_over = folder::is_left_over(root)?;
        let sources = self.beside.look(&module, is_left_over.then_some(FILE))?;
        let found = match sources {
            Sources::Configure(found) => found,
            Sources::AreSilent { may_encrypt } => {
                let may_encrypt = may_encrypt || std::env::var_os(ENCRYPTION).is_some();
                return Ok(Goes::Nowhere { may_encrypt: may_encrypt && program != Some(Program::Terraform) });
            }
        };
        if is_left_over {
            folder::clear(root)?;
        }
        let is_here = found.kind == Kind::Backend && found.label.as_deref() == Some("http") && is_here(invocation, address, &found)?;
        Ok(if is_here { Goes::Here } else { Goes::Elsewhere(found) })
    }
}

/// Whether an `http` backend is this very state: by what `init` is told, by its block, by what is recorded, or by the environment.
fn is_here(invocation: &Invocation, ours: &Address, found: &Found) -> Result<bool, Failure> {
    let told = invocation.backend_settings();
    let told = told.iter().rev().find_map(|setting| setting.split_once('=').filter(|(name, _)| name.trim() == "address"));
    if let Some(address) = told.map(|(_, address)| address).or(found.address.as_deref()) {
        return Ok(ours.is(address));
    }
    let record = Record::read(invocation)?;
    let recorded = record.as_ref().and_then(Record::address).map(str::to_owned);
    let address = recorded.or_else(|| std::env::var_os(SETTINGS[0]).and_then(|address| address.into_string().ok()));
    Ok(address.is_some_and(|address| ours.is(&address)))
}

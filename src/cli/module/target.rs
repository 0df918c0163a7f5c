//! Where the state of a module goes, by what its sources say, what `init` is told, what is
//! recorded, and what the environment adds; in the order in which these hold for the program.
//!
//! What a killed command left in the module is seen for what it is, and taken away where it is in
//! the way. Where the program would load no file but one of ours, that file would have it destroy
//! all that is stored: only a command that may do so goes on.

use std::path::PathBuf;

use clap::Args;

use crate::cli::module::address::Address;
use crate::cli::module::address::Base;
use crate::cli::module::detect::Asked;
use crate::cli::module::detect::Module;
use crate::cli::module::folder;
use crate::cli::module::identity::Whose;
use crate::cli::module::sources::{Beside, Sources, nothing_to_load};
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::terraform::credentials::SETTINGS;
use crate::cli::terraform::invocation::DEFAULT_WORKSPACE;
use crate::cli::terraform::invocation::Invocation;
use crate::cli::terraform::reading::variable;
use crate::cli::terraform::record::Record;
use crate::hcl::{BackendFile, BlockKind, FILE, FoundBlock, Present, Program};
use crate::model::name::{BuildingBlock, StateName, Workspace};

/// Where `OpenTofu` takes a configuration of its encryption from, beside the sources.
const ENCRYPTION: &str = "TF_ENCRYPTION";

/// What an address on this server is that is no state's.
pub(in crate::cli) const NO_STATE_THERE: &str = "no address of a state";

/// Where the state of a module goes.
pub(in crate::cli) enum Goes {
    /// Nowhere yet.
    Nowhere {
        /// Whether the program may encrypt the state: only it can store it then.
        may_encrypt: bool,
    },
    /// To this very state, by the sources' own words.
    Here,
    /// To this server, and to another state of it, or to no state's address.
    Astray(FoundBlock, Option<StateName>),
    /// Elsewhere.
    Elsewhere(FoundBlock),
}

/// What every command takes that wraps a program: which state it is about, where the module lies,
/// and how the server is reached.
#[derive(Args)]
pub(in crate::cli) struct Subject {
    /// The state's workspace
    #[arg(long, value_name = "W")]
    workspace: Workspace,
    /// The state's building block. Without it, `run` gives the command (make, Terragrunt,
    /// Terramate) a token for the workspace, and does nothing else
    #[arg(long, value_name = "B")]
    building_block: Option<BuildingBlock>,
    /// The directory in which the program runs
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(in crate::cli) dir: PathBuf,
    /// The program that loads the module, if its file's name does not tell
    #[arg(long, value_enum)]
    pub(in crate::cli) program: Option<Asked>,
    /// Examine JSON files (`.tf.json`, `.tofu.json`) too
    #[arg(long)]
    include_json: bool,
    #[command(flatten)]
    beside: Beside,
    #[command(flatten)]
    base: Base,
    /// The file with an API key's secret; - reads it from standard input
    #[arg(long, env = "STATEKEEP_KEY_FILE", value_name = "FILE")]
    pub(in crate::cli) key_file: PathBuf,
}

impl Subject {
    /// The state's address.
    pub(in crate::cli) fn address(&self) -> Result<Address, Failure> {
        let missing =
            || Failure::Usage("--building-block is missing: it names the state".to_owned());
        self.base.state(
            self.workspace.clone(),
            self.building_block.clone().ok_or_else(missing)?,
        )
    }

    /// The server's address, the workspace, and the building block if one is named.
    pub(in crate::cli) fn place(
        &self,
    ) -> Result<(String, Workspace, Option<BuildingBlock>), Failure> {
        Ok((
            self.base.server()?,
            self.workspace.clone(),
            self.building_block.clone(),
        ))
    }

    /// Whether a building block is named.
    pub(in crate::cli) const fn names_a_state(&self) -> bool {
        self.building_block.is_some()
    }

    /// Looks at the module, and removes what a killed command left where it is in the way.
    /// `may_be_empty` is whether this may go on where the program would load no file of its own.
    pub(in crate::cli) async fn goes(
        &self,
        invocation: &Invocation,
        address: &Address,
        may_be_empty: bool,
    ) -> Result<Goes, Failure> {
        let root = invocation.root();
        let program = self.program.map(Program::from).or(invocation.program());
        let module = Module::at(root, program.map(Asked::from), self.include_json);
        folder::sweep(root)?;
        let is_left_over = folder::is_left_over(root)?;
        let found = match self.beside.look(&module, is_left_over.then_some(FILE))? {
            Sources::Configure(found) => found,
            Sources::AreSilent { is_empty: true, .. } if !may_be_empty => {
                return Err(empty(&module));
            }
            Sources::AreSilent { may_encrypt, .. } => {
                let may_encrypt = may_encrypt || std::env::var_os(ENCRYPTION).is_some();
                return Ok(Goes::Nowhere {
                    may_encrypt: may_encrypt && program != Some(Program::Terraform),
                });
            }
        };
        if found.file == FILE && !may_be_empty {
            self.refuse_nothing_but_ours(&module)?;
        }
        if is_left_over {
            folder::clear(root)?;
        }
        if !(found.kind == BlockKind::Backend && found.label.as_deref() == Some("http")) {
            return Ok(Goes::Elsewhere(found));
        }
        let Some(theirs) = http_address(invocation, &found)? else {
            return Ok(Goes::Elsewhere(found));
        };
        Ok(match address.whose(&theirs).await {
            Whose::This(Some(name)) if name == address.name => Goes::Here,
            Whose::This(state) => Goes::Astray(found, state),
            // What cannot be told is no reason to give a token away. Whoever moves a state asks
            // again.
            Whose::Others | Whose::Unknown(_) => Goes::Elsewhere(found),
        })
    }

    /// Refuses a folder in which the only file is the one that `configure` wrote when there were
    /// others.
    fn refuse_nothing_but_ours(&self, module: &Module) -> Result<(), Failure> {
        let is_ours = matches!(BackendFile::present(&module.dir)?, Present::Ours(_));
        let is_empty = is_ours
            && matches!(
                self.beside.look(module, Some(FILE))?,
                Sources::AreSilent { is_empty: true, .. }
            );
        if is_empty { Err(empty(module)) } else { Ok(()) }
    }
}

fn empty(module: &Module) -> Failure {
    nothing_to_load(module).and(
        "Commands that destroy by their words, or only look at what is \
        stored or release it, run here as well.",
    )
}

/// The address of the `http` backend that the program will use: for `init` what it is told, and for
/// all else what it has recorded, unless its block was changed since; then the block, and last the
/// environment.
pub(in crate::cli) fn http_address(
    invocation: &Invocation,
    found: &FoundBlock,
) -> Result<Option<String>, Failure> {
    let is_init = invocation.subcommand() == Some("init");
    let record = Record::read(invocation)?.filter(|record| record.kind == "http");
    let recorded = record.as_ref().and_then(Record::address);
    let (block, environment) = (found.address.as_deref(), || variable(SETTINGS[0]));
    // Asks for a new look at the block, and for nothing that is recorded.
    let is_anew =
        is_init && (invocation.has_flag("reconfigure") || invocation.has_flag("migrate-state"));
    if let (Some(recorded), false) = (recorded, is_init) {
        let is_in_doubt = block.is_some_and(|block| block != recorded);
        if !is_in_doubt || invocation.uses_what_is_recorded()? {
            return Ok(Some(recorded.to_owned()));
        }
    }
    let told = invocation.told()?;
    if let Some(told) = told.get("address")? {
        return Ok(Some(told.to_owned()));
    }
    if let (Some(recorded), true, false) = (recorded, is_init, is_anew || told.any)
        && (block.is_none_or(|block| block == recorded) || invocation.uses_what_is_recorded()?)
    {
        return Ok(Some(recorded.to_owned()));
    }
    let kept = recorded.filter(|_| block.is_none() && !is_anew);
    Ok(block.or(kept).map(str::to_owned).or_else(environment))
}

/// Refuses workspaces of the program.
pub(in crate::cli) fn refuse_workspaces(invocation: &Invocation) -> Result<(), Failure> {
    let workspace = invocation.workspace()?;
    if workspace == DEFAULT_WORKSPACE {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "the workspace `{}` is selected (TF_WORKSPACE, or `workspace select`), and the http \
            backend has no workspaces; select `default`, and name a \
         building block of its own for each",
        output::harmless(&workspace)
    )))
}

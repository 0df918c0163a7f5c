//! The way back: the sources configure no backend any more, while the old one is recorded in the
//! data directory or has left a file in the module.
//!
//! The client reads the state from there and stores it here, so that serial, lineage and its own
//! encryption stay. What is there is never made away with before it was read back from here; and
//! what is here is only gone over where it is known to be what the other state came from.

use std::path::{Path, PathBuf};

use crate::cli::client::wire::Wire;
use crate::cli::module::identity::Whose;
use crate::cli::output::{self, Failure};
use crate::cli::terraform::calls::Push;
use crate::cli::terraform::invocation::DEFAULT_WORKSPACE;
use crate::cli::terraform::record::Record;
use crate::cli::transfer::equality;
use crate::cli::transfer::file::Quiet;
use crate::cli::transfer::hindrance::Hindrance;
use crate::cli::transfer::old::Old;
use crate::cli::transfer::server_side::{Intent, Ours, Standing, tell};
use crate::cli::transfer::state_move::Move;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Came {
    /// Nothing is recorded or found elsewhere.
    Nothing,
    /// The state is here; it has come, or was here already.
    Here,
}

/// How often a state is read again that somebody writes meanwhile.
const MAX_TRIES: u32 = 3;
/// What is put behind the name of a state's file when its state has moved.
const MOVED: &str = ".moved-to-statekeep";

/// What is here of a state that is elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    /// Nothing that counts.
    Nothing,
    /// The state, or what became of it.
    TheSame,
    /// An earlier copy of it.
    Older,
}

/// Where a state comes from.
struct Source {
    record: Record,
    place: String,
    /// Its file, where it is one.
    file: Option<PathBuf>,
    /// Whether the client may encrypt it, and has to store it.
    may_encrypt: bool,
}

impl Move<'_> {
    /// Moves the state here from the backend that is recorded, or from the file that the program
    /// finds without any.
    pub(in crate::cli) async fn come(&self, may_encrypt: bool) -> Result<Came, Failure> {
        let Some(source) = self.source(may_encrypt).await? else {
            return Ok(Came::Nothing);
        };
        let old = Old::at(&source.record, &source.place).await?;
        let old = old.as_ref().map(Old::wire);
        if let Some(wire) = old
            && self.has_come(wire, &source.place).await?
        {
            return Ok(Came::Here);
        }
        let Some(theirs) = self.read(&source)? else {
            return Ok(Came::Nothing);
        };
        // An empty one is nothing to lose, but where the state here has left it is what became of
        // it.
        if equality::is_empty(&theirs)? && self.ours().standing().await? != Standing::Transferred {
            return Ok(Came::Nothing);
        }
        let _quiet = source.file.as_deref().map(Quiet::hold).transpose()?;
        let intent = match old {
            Some(wire) => Some(self.lock_there(wire, &source.place).await?),
            None => None,
        };
        let old = old.map(|wire| Ours::new(wire, String::new())).zip(intent);
        if let Some((old, intent)) = &old
            && self
                .ours()
                .begun()
                .await?
                .is_some_and(|begun| begun.lock == intent.lock)
        {
            // It is this server, by another address.
            old.abandon().await?;
            return Ok(Came::Here);
        }
        let came = self.take_in(&source, theirs).await;
        if let Some((old, intent)) = old {
            self.let_go(&source, &old, &intent, came).await?;
        } else {
            came.map_err(|hindrance| hindrance.failure)?;
            put_aside(&source);
        }
        Ok(Came::Here)
    }

    /// Where a state is that would move here, if there is one. Nothing is moved, and fails where it
    /// could not be.
    pub(in crate::cli) async fn would_come(
        &self,
        may_encrypt: bool,
    ) -> Result<Option<String>, Failure> {
        let Some(source) = self.source(may_encrypt).await? else {
            return Ok(None);
        };
        if let Some(old) = Old::at(&source.record, &source.place).await?
            && self.has_come(old.wire(), &source.place).await?
        {
            return Ok(None);
        }
        let Some(theirs) = self.read(&source)? else {
            return Ok(None);
        };
        let ours = self.ours();
        if equality::is_empty(&theirs)? && ours.standing().await? != Standing::Transferred {
            return Ok(None);
        }
        Ok(
            (self.here(&ours, &source.place, &theirs).await? != Here::TheSame)
                .then_some(source.place),
        )
    }

    /// Ends what was begun on the old server: the state has left it, is free again there, or stays
    /// locked while it may be in both places.
    async fn let_go(
        &self,
        source: &Source,
        old: &Ours<'_>,
        intent: &Intent,
        came: Result<(), Hindrance>,
    ) -> Result<(), Failure> {
        let came = match (came, self.whose(&source.record).await) {
            (Ok(()), Whose::Others) => return old.done(intent).await,
            // Names may lead elsewhere than a moment ago.
            (Ok(()), Whose::This(_)) => Hindrance::certain(Failure::Failed(format!(
                "{} is this very server now, by another address; nothing was moved",
                source.place
            ))),
            (Ok(()), Whose::Unknown(why)) => Hindrance::unsure(Failure::Failed(why)),
            (Err(hindrance), _) => hindrance,
        };
        let Hindrance {
            failure,
            may_be_there,
        } = came;
        if may_be_there {
            return Err(failure.and(
                "The old one stays locked, because the state may be here as well. Run this again \
                    to continue.",
            ));
        }
        Err(match old.abandon().await {
            Ok(_) => failure,
            Err(why) => failure.and(&format!("The old one stays locked: {}", why.into_message())),
        })
    }

    /// Where a state may come from; nothing on this server counts.
    async fn source(&self, may_encrypt: bool) -> Result<Option<Source>, Failure> {
        let root = self.invocation.root();
        let record = match Record::read(self.invocation)? {
            Some(record) if matches!(self.whose(&record).await, Whose::This(_)) => return Ok(None),
            // What does not answer us may still answer the client.
            Some(record) => record,
            None if root.join(Record::LOCAL_FILE).is_file() => Record::local(),
            None => return Ok(None),
        };
        let place = self.place(&record)?;
        let file = record.local_path().map(|path| root.join(path));
        Ok(Some(Source {
            record,
            place,
            file,
            may_encrypt,
        }))
    }

    /// The state there, as its client reads it.
    fn read(&self, source: &Source) -> Result<Option<Vec<u8>>, Failure> {
        if source.record.kind == Record::CLOUD {
            return Err(Failure::Failed(format!(
                "{} was the backend before, which only the block that was there can reach; put it \
                    back and move the state by `{} state pull` and `statekeep import`, or give \
                    --transfer=never to continue without it",
                source.place,
                self.invocation.shown()
            )));
        }
        let read = self.with_backend(&source.record, None, |using| self.invocation.pull(using));
        read.map_err(|failure| {
            failure.and(&format!(
                "{} was the backend before, and may hold the state. Make it readable again, or \
                    give --transfer=never to continue without it.",
                source.place
            ))
        })
    }

    /// Sees to it that the state is here, as it is there in the end.
    async fn take_in(&self, source: &Source, mut theirs: Vec<u8>) -> Result<(), Hindrance> {
        let (ours, place) = (self.ours(), &source.place);
        let here = self
            .here(&ours, place, &theirs)
            .await
            .map_err(Hindrance::certain)?;
        let mut has_come = false;
        if here != Here::TheSame {
            tell(&format!(
                "{} is at {place}, which was the backend before, and moves along",
                self.address.name
            ));
            self.store(&ours, source, &theirs, here == Here::Older)
                .await
                .map_err(Hindrance::unsure)?;
            has_come = true;
        }
        for _ in 0..MAX_TRIES {
            match self
                .read_again(source, &theirs)
                .map_err(Hindrance::unsure)?
            {
                Some(again) => theirs = again,
                None if has_come => {
                    tell(&format!(
                        "{} has moved from {place} to {}",
                        self.address.name,
                        self.address.server()
                    ));
                    return Ok(());
                }
                None => return Ok(()),
            }
            self.store(&ours, source, &theirs, has_come)
                .await
                .map_err(Hindrance::unsure)?;
            has_come = true;
        }
        Err(Hindrance::unsure(Failure::Failed(format!(
            "writes to {place} do not stop; stop them, and run this again"
        ))))
    }

    /// The state there, if it is not what it was.
    fn read_again(&self, source: &Source, before: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let Some(again) = self.read(source)? else {
            return Ok(None);
        };
        Ok((!equality::differences(before, &again)?.is_empty()).then_some(again))
    }

    /// What is here of the state, or of what came from it. Fails where there is another.
    async fn here(&self, ours: &Ours<'_>, place: &str, theirs: &[u8]) -> Result<Here, Failure> {
        match ours.standing().await? {
            Standing::Nothing | Standing::Transferred => return Ok(Here::Nothing),
            Standing::Moved => {
                return Err(Failure::Failed(format!(
                    "{} has another address on this server now",
                    self.address.name
                )));
            }
            Standing::Live => {}
        }
        let current = self.in_clear(ours.bytes().await?.into())?;
        let differences = equality::differences(&current, theirs)?;
        if differences.is_empty() {
            return Ok(Here::TheSame);
        }
        let (here, there) = (equality::head(&current)?, equality::head(theirs)?);
        if !here.lineage.is_empty()
            && here.lineage == there.lineage
            && equality::differences_in_values(&current, theirs)?.is_empty()
        {
            // One is a copy of the other from before something was said beside the values: the
            // later one counts.
            return Ok(if equality::is_older(&current, theirs)? {
                Here::Older
            } else {
                Here::TheSame
            });
        }
        let versions = if here.lineage == there.lineage {
            ours.versions().await?
        } else {
            Vec::new()
        };
        if here.serial > there.serial && self.was_here(ours, &versions, theirs).await? {
            return Ok(Here::TheSame);
        }
        let only_brought_back = versions
            .iter()
            .find(|version| version["current"] == true)
            .is_some_and(|version| version["kind"] == "restore");
        if here.serial < there.serial && only_brought_back {
            return Ok(Here::Nothing);
        }
        Err(Failure::Failed(format!(
            "{place} was the backend before, and holds another state than {}: {}\nNothing was \
                moved. Look at both. To continue with the one here and leave the one there as it \
                is, give --transfer=never.",
            self.address.name,
            differences.join(", ")
        )))
    }

    /// Whether a state was a version here, so that what is here came from it.
    pub(super) async fn was_here(
        &self,
        ours: &Ours<'_>,
        versions: &[serde_json::Value],
        theirs: &[u8],
    ) -> Result<bool, Failure> {
        let there = equality::head(theirs)?;
        let is_candidate = |version: &&serde_json::Value| {
            version["serial"] == there.serial
                && version["lineage"] == there.lineage.as_str()
                && version["purged"] == false
                && version["kind"] != "rejected"
        };
        for number in versions
            .iter()
            .filter(is_candidate)
            .filter_map(|version| version["number"].as_u64())
        {
            let version = ours.version(number).await?;
            if !equality::head(&version)?.encrypted
                && equality::differences_in_values(&version, theirs)?.is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Stores the state here, or what became of one that has come a moment ago, and reads it back.
    async fn store(
        &self,
        ours: &Ours<'_>,
        source: &Source,
        theirs: &[u8],
        has_come: bool,
    ) -> Result<(), Failure> {
        if source.may_encrypt {
            self.push_here(ours, theirs).await?;
        } else {
            // The client would give it another lineage in a backend of this kind.
            ours.arrive(theirs.to_vec(), has_come).await?;
        }
        let differences = equality::differences_in_values(&self.read_here()?, theirs)?;
        if differences.is_empty() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "what was read back is not what {} holds, which is as it was: {}; run this again",
            source.place,
            differences.join(", ")
        )))
    }

    /// Has the client store the state, which encrypts it where the sources say so.
    async fn push_here(&self, ours: &Ours<'_>, theirs: &[u8]) -> Result<(), Failure> {
        let comes_back = ours.standing().await? == Standing::Transferred;
        if comes_back {
            ours.restore().await?;
        }
        // What was brought back a moment ago may be gone over by what became of it, whatever its
        // lineage is now.
        let how = if comes_back { Push::Over } else { Push::Onto };
        self.with_backend(
            &Record::http(&self.address.text()),
            Some(self.credentials),
            |using| self.invocation.push(theirs, how, using),
        )
    }

    /// Whether an earlier try brought the state here, and was only cut off before the program had
    /// recorded it. A state that has left the old statekeep for anywhere else is not what is here.
    async fn has_come(&self, wire: &Wire, place: &str) -> Result<bool, Failure> {
        let old = Ours::new(wire, String::new());
        match old.standing().await? {
            Standing::Live | Standing::Nothing => return Ok(false),
            Standing::Transferred => {}
            Standing::Moved => {
                return Err(Failure::Failed(format!(
                    "{place} was the backend before, and the state has another address on that \
                        server now; nothing was moved. Move it from there, or give \
                        --transfer=never to continue with the state here."
                )));
            }
        }
        let to = old.left_for().await?;
        let name = &self.address.name;
        // Of an address only what says where is kept there, so that the word behind it is the whole
        // of it.
        let address = to
            .strip_prefix("http address=")
            .and_then(|rest| rest.split(' ').next());
        let whose = match address {
            Some(address) => self.address.whose(address).await,
            None => Whose::Others,
        };
        if let Whose::Unknown(why) = whose {
            return Err(Failure::Failed(format!(
                "{place} was the backend before, and the state has left it for {}; it is unknown \
                    whether that is {name} here: {why}. Nothing was moved. Run this again.",
                output::harmless(&to)
            )));
        }
        if whose != Whose::This(Some(name.clone())) {
            return Err(Failure::Failed(format!(
                "{place} was the backend before, and the state has left it for {}, which is not \
                    {name} here. Nothing was moved. Move it from there, or give --transfer=never \
                    to continue with the state here.",
                output::harmless(&to)
            )));
        }
        match self.ours().standing().await? {
            Standing::Live => Ok(true),
            Standing::Nothing | Standing::Transferred | Standing::Moved => {
                Err(Failure::Failed(format!(
                    "{place} was the backend before, and the state has left it for {name}, which \
                        does not live here any more. Nothing was moved. `statekeep state history \
                        {name}` shows its history; or give --transfer=never to continue without \
                        it."
                )))
            }
        }
    }

    /// Locks the state there. Whatever keeps that from being done is an end: it may be in use, or
    /// be locked the next time.
    async fn lock_there(&self, wire: &Wire, place: &str) -> Result<Intent, Failure> {
        let to =
            Record::http(&self.address.text()).place(self.invocation.root(), DEFAULT_WORKSPACE);
        Ours::new(wire, String::new())
            .begin(&to)
            .await
            .map_err(|refusal| {
                refusal.into_failure().and(&format!(
                "{place} was the backend before, and the state could not be locked there. Nothing \
                    was moved. Run this again, or give --transfer=never to continue with the \
                    state here."
            ))
            })
    }
}

/// A file whose state has moved is not found by the programs any more; any other backend keeps its
/// copy.
fn put_aside(source: &Source) {
    let Some(file) = &source.file else {
        tell(&format!(
            "{} still has its copy, which nothing configures any more",
            source.place
        ));
        return;
    };
    let to = free_name(file);
    let (from, shown) = (
        output::harmless(&file.display().to_string()),
        output::harmless(&to.display().to_string()),
    );
    match std::fs::rename(file, &to) {
        Ok(()) => tell(&format!("{from} is {shown} now")),
        Err(error) => tell(&format!(
            "{from} still holds the old state and should not be used any more; it cannot be \
                renamed: {error}"
        )),
    }
}

/// A name behind which nothing is lost.
fn free_name(file: &Path) -> PathBuf {
    let named = |number: u64| {
        let mut name = file.as_os_str().to_owned();
        name.push(if number == 1 {
            MOVED.to_owned()
        } else {
            format!("{MOVED}.{number}")
        });
        PathBuf::from(name)
    };
    let mut number = 1;
    while named(number).symlink_metadata().is_ok() {
        number += 1;
    }
    named(number)
}

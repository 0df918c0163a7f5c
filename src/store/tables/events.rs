//! Verbs on the event log: acts are recorded in their own transaction, buffered events are added up
//! in one row for each minute.

use rusqlite::{Row, params};
use serde_json::Value;

use crate::model::actor::Actor;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::event::{Event, GatherKey, Gathered, NewEvent};
use crate::model::event_class::EventClass;
use crate::model::event_growth::Growth;
use crate::model::name::StateName;
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::event_chain::NewColumns;
use crate::store::tables::rows;
use crate::store::tables::rows::Compact;
use crate::store::tx::Tx;
use crate::store::tx::View;

/// So many of a state's events are looked at for who pruned a version.
const MAX_LOOKED_AT: u32 = 10_000;

/// What a row says of its class.
fn lasting(class: EventClass) -> Option<bool> {
    (class == EventClass::Lasting).then_some(true)
}

/// The columns of an event as it is shown.
pub(super) const COLUMNS: &str = "seq, at, kind, actor, actor_name, address, request_id, \
    workspace, building_block, version, lock_id, count, last_at, attention, detail, chain";

/// An event from its columns.
pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let actor = rows::maybe_compact(row, 3)?;
    let detail: Option<String> = row.get(14)?;
    Ok(Event {
        seq: rows::unsigned(row, 0)?,
        at: rows::time(row, 1)?,
        kind: row.get(2)?,
        actor: actor
            .map(|id| {
                Ok::<_, rusqlite::Error>(Actor {
                    id,
                    name: row.get(4)?,
                })
            })
            .transpose()?,
        address: row.get(5)?,
        request_id: rows::maybe_compact(row, 6)?,
        workspace: row.get(7)?,
        block: row.get(8)?,
        version: rows::maybe_unsigned(row, 9)?,
        lock_id: rows::maybe_compact(row, 10)?,
        count: rows::unsigned(row, 11)?,
        last_at: rows::time(row, 12)?,
        attention: row.get(13)?,
        acknowledged: None,
        detail: detail
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or(Value::Null),
        hash: row.get::<_, Option<[u8; 32]>>(15)?.map(Digest::from_bytes),
    })
}

impl View<'_> {
    /// When a version of a state was pruned and by whom, as far as its newest events tell.
    pub fn pruned(
        &self,
        name: &StateName,
        number: u64,
    ) -> Result<Option<(Timestamp, Actor)>, StoreError> {
        self.check_address(name);
        let sql = "SELECT last_at, actor, actor_name, detail FROM (SELECT seq, last_at, kind, \
            actor, actor_name, detail FROM events INDEXED BY events_state WHERE fresh IS NULL AND \
            workspace = ?1 AND building_block = ?2 UNION ALL SELECT seq, last_at, kind, actor, \
            actor_name, detail FROM events NOT INDEXED WHERE seq >= ?4 AND fresh = 1 AND \
            workspace = ?1 AND building_block = ?2 ORDER BY seq DESC LIMIT ?3) WHERE kind = \
            'state.prune' ORDER BY seq DESC";
        let mut statement = self.connection.prepared(sql)?;
        let mut prunes = statement.query(params![
            name.workspace.as_str(),
            name.block.as_str(),
            MAX_LOOKED_AT,
            self.first_fresh()?
        ])?;
        while let Some(row) = prunes.next()? {
            let detail: Value = row
                .get::<_, Option<String>>(3)?
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default();
            let is_within = detail["first"]
                .as_u64()
                .zip(detail["last"].as_u64())
                .is_some_and(|(first, last)| (first..=last).contains(&number));
            if is_within {
                return Ok(Some((rows::time(row, 0)?, rows::actor(row, 1)?)));
            }
        }
        Ok(None)
    }
}

impl Tx<'_> {
    /// Records an act.
    pub fn record(&self, event: &NewEvent) -> Result<(), StoreError> {
        let detail = (!event.detail.is_null()).then(|| event.detail.to_string());
        let columns: NewColumns<'_> = [
            &event.since.unwrap_or(event.at).millis(),
            &event.kind.name(),
            &Compact(&event.actor.id),
            &event.actor.name,
            &event.address,
            &Compact(&event.request_id),
            &event.workspace,
            &event.block,
            &event.version.map(u64::cast_signed),
            &event.lock_id.as_deref().map(Compact),
            &1_i64,
            &event.at.millis(),
            &event.attention,
            &detail,
            &lasting(event.class()),
        ];
        self.append_event(Growth::of(event.kind), columns).map(drop)
    }

    /// Adds buffered events to their row, and says its place. That is `place` if the row is known
    /// and still there; else it is made.
    pub fn record_gathered(
        &self,
        key: &GatherKey,
        buffered: Gathered,
        place: Option<u64>,
    ) -> Result<u64, StoreError> {
        if let Some(place) = place
            && self.count_more(place, buffered.count, buffered.last_at)?
        {
            return Ok(place);
        }
        let (actor, actor_name) = key.actor.as_ref().map(|(id, name)| (id, name)).unzip();
        let name = key.name.as_ref();
        let detail = key
            .said
            .as_ref()
            .map(|(member, said)| serde_json::json!({ *member: said }).to_string());
        let columns: NewColumns<'_> = [
            &buffered.first_at.millis(),
            &key.kind.name(),
            &actor.map(|id| Compact(id)),
            &actor_name,
            &key.address,
            &None::<String>,
            &name.map(|name| name.workspace.as_str()),
            &name.map(|name| name.block.as_str()),
            &key.version.map(u64::cast_signed),
            &None::<String>,
            &buffered.count.cast_signed(),
            &buffered.last_at.millis(),
            &key.needs_person(),
            &detail,
            &lasting(key.class()),
        ];
        self.append_event(Growth::of(key.kind), columns)
    }
}

//! The stable codes of errors, in one place: what programs go by when the server refuses a request.
//!
//! Each stands in the table of `docs/api.md`, and no other code does; a test compares them. A code
//! never gets another meaning, and never goes without a note in the changelog.

/// Declares the codes by class: a name in the program, and the word on the wire.
macro_rules! codes {
    ($(
        $(#[$kind:meta])+
        $class:ident { $($(#[$meaning:meta])+ $name:ident = $word:literal,)+ }
    )+) => {
        /// The class of an error. HTTP has a status for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorClass {
            $($(#[$kind])+ $class,)+
        }

        /// The stable code of an error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($($(#[$meaning])+ $name,)+)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$name => $word,)+)+
                }
            }

            /// The class.
            #[must_use]
            pub const fn class(self) -> ErrorClass {
                match self {
                    $($(Self::$name)|+ => ErrorClass::$class,)+
                }
            }
        }
    };
}

codes! {
    /// The request makes no sense.
    Invalid {
        /// The path names nothing, or its workspace, building block, number or key id is malformed.
        BadAddress = "bad_address",
        /// A parameter is unknown, given twice, misplaced, or has no valid value.
        BadQuery = "bad_query",
        /// Plain HTTP was spoken on a port that speaks TLS.
        PlainHttp = "plain_http",
        /// It is no request of HTTP, or its line or its headers are malformed.
        BadHead = "bad_head",
        /// A state's address was called after a redirect.
        Redirected = "redirected",
        /// The body is empty, cut short, not JSON, or members are missing or wrong.
        BadBody = "bad_body",
        /// A value in the body is not possible, such as an empty name.
        BadRequest = "bad_request",
        /// The server has no storage key, so nothing can be sealed.
        NotSealed = "not_sealed",
        /// The JSON is no Terraform state.
        NotAState = "not_a_state",
        /// The state is nested deeper than `--max-nesting`.
        TooDeep = "too_deep",
        /// A member of the state's outermost object stands twice.
        DuplicateKey = "duplicate_key",
        /// The body does not have the MD5 of `Content-MD5`.
        Md5Mismatch = "md5_mismatch",
        /// The body of an import does not have the SHA-256 of `sha256=`.
        Sha256Mismatch = "sha256_mismatch",
        /// A lock was sent to a state's address.
        LooksLikeALock = "looks_like_a_lock",
        /// The body of a lock call is no lock, or has no ID.
        NotALock = "not_a_lock",
        /// `grant_type` of a login is neither `client_credentials` nor
        /// `urn:ietf:params:oauth:grant-type:jwt-bearer`.
        UnsupportedGrantType = "unsupported_grant_type",
        /// The files of a module that was sent cannot be used.
        BadFiles = "bad_files",
        /// The policy keeps nothing, contradicts itself, or is missing.
        BadPolicy = "bad_policy",
    }
    /// The credentials are missing or not good.
    Unproven {
        /// Credentials are missing or not good.
        Unauthorized = "unauthorized",
    }
    /// The caller may not do this.
    Denied {
        /// The key lacks the permission, or is for another workspace or building block.
        Forbidden = "forbidden",
        /// The state is encrypted or of an old format, so outputs cannot be told apart from the
        /// rest.
        OutputsUnavailable = "outputs_unavailable",
        /// A browser sent it for a page of another origin.
        CrossOrigin = "cross_origin",
    }
    /// There is nothing of this name.
    Missing {
        /// Nothing was ever written at this address, or the state is deleted.
        NoState = "no_state",
        /// The state has no such version.
        NoVersion = "no_version",
        /// The version has no resource instance of this address.
        NoResource = "no_resource",
        /// Nobody holds a lock.
        NoLock = "no_lock",
        /// The state is not being transferred and was not.
        NoTransfer = "no_transfer",
        /// There is no event of this number that the caller may see.
        NoEvent = "no_event",
        /// There is no key with this id.
        NoKey = "no_key",
        /// There is no trust with this id.
        NoTrust = "no_trust",
        /// There is no hook with this id.
        NoHook = "no_hook",
        /// The workspace has no policy of its own.
        NoPolicy = "no_policy",
        /// No request of this id waits for approval.
        NoApproval = "no_approval",
        /// A path outside `/api` without a page, and only for a client whose `Accept` names
        /// `text/html`.
        NotFound = "not_found",
    }
    /// The path does not offer this method.
    NotOffered {
        /// The path does not offer this method.
        MethodNotAllowed = "method_not_allowed",
    }
    /// The client is too slow.
    TooSlow {
        /// The body paused for longer than `--body-timeout`, or came at less than 8 KiB a second in
        /// the long run.
        SlowBody = "slow_body",
        /// The line and the headers did not come within `--header-timeout`.
        SlowHead = "slow_head",
    }
    /// The request does not fit what there is.
    Conflict {
        /// `?ID=` names a lock that is not held.
        StaleLockId = "stale_lock_id",
        /// A write without a lock whose serial or lineage does not follow the current version.
        StaleWrite = "stale_write",
        /// A write without a lock, while `--unlocked-writes refuse` is set.
        UnlockedWritesRefused = "unlocked_writes_refused",
        /// There is or was a state at the address that a move wants.
        AddressTaken = "address_taken",
        /// A revoked or expired key cannot be rotated.
        KeyEnded = "key_ended",
        /// A live key has this name already.
        NameTaken = "name_taken",
        /// A second person has to approve this (member `approval`); then send the same again.
        NeedsApproval = "needs_approval",
        /// A verification is running, and one runs at a time.
        VerifyRuns = "verify_runs",
        /// A backup is being made or sent, and one at a time is.
        BackupRuns = "backup_runs",
        /// Pruning is running, and one run at a time is allowed.
        PruneRunning = "prune_running",
        /// The server does not trust its clock, so nothing is removed by age.
        ClockInDoubt = "clock_in_doubt",
        /// The state is already being transferred to another place (member `to`).
        TransferBegun = "transfer_begun",
        /// A transfer was to be finished that was never begun.
        TransferNotBegun = "transfer_not_begun",
        /// Another version is current than the caller expected (member `current`).
        NotCurrent = "not_current",
        /// OpenTofu encrypted the version, so a rollback cannot give it a new serial.
        Encrypted = "encrypted",
        /// There is no serial above the highest one of this lineage.
        NoSerialLeft = "no_serial_left",
        /// Others wrote each time while a rollback was prepared.
        TooManyConflicts = "too_many_conflicts",
        /// The current version cannot be purged.
        CurrentVersion = "current_version",
        /// A held version cannot be purged.
        VersionHeld = "version_held",
        /// `"all"` purges only a deleted state.
        NotDeleted = "not_deleted",
        /// A version that stays has the same bytes.
        ContentShared = "content_shared",
        /// An import found a state at the address, possibly a deleted one.
        StateExists = "state_exists",
        /// An import cannot continue after version `after`: that is not the newest, or another key
        /// imported it.
        NotImportedSoFar = "not_imported_so_far",
        /// An import to a deleted state.
        StateDeleted = "state_deleted",
        /// An import of another lineage than the current version's.
        OtherLineage = "other_lineage",
        /// An import whose serial is not above the current version's.
        SerialNotAbove = "serial_not_above",
        /// An import wants a number that is not above all that the state ever gave.
        NumberTaken = "number_taken",
    }
    /// It has left this address, or was removed.
    Gone {
        /// The state has another address on this server (member `moved_to: {workspace,
        /// buildingBlock, address}`).
        Moved = "moved",
        /// The state has left for another backend (member `to`).
        Transferred = "transferred",
        /// The content of this version was removed for good.
        Purged = "purged",
    }
    /// The request is larger than is taken.
    TooLarge {
        /// The state is larger than `--max-state-size`.
        StateTooLarge = "state_too_large",
        /// The lock is larger than 4 KiB.
        LockTooLarge = "lock_too_large",
        /// The body of a call that takes no state is larger than 64 KiB.
        BodyTooLarge = "body_too_large",
        /// The files of a module are larger than 4 MiB together, or one is larger than 1 MiB.
        ModuleTooLarge = "module_too_large",
    }
    /// The line and the headers are larger than is taken.
    HeadTooLarge {
        /// The line and the headers are larger than is taken.
        HeadTooLarge = "head_too_large",
    }
    /// Another holds the lock.
    Locked {
        /// Another holds the lock, or an unlock named another lock than the one that is held.
        Locked = "locked",
    }
    /// The caller has to wait.
    TooMany {
        /// Too many failed credentials from this address or for this key.
        TooManyFailures = "too_many_failures",
        /// 8 logins from this address are being read.
        TooManyLogins = "too_many_logins",
        /// The key has 10,000 live tokens.
        TooManyTokens = "too_many_tokens",
        /// The workspace got as many versions in this minute as its quota allows.
        RateExceeded = "rate_exceeded",
        /// The key has a quarter of `--max-connections` requests under way.
        TooManyRequests = "too_many_requests",
        /// The key has 4 comparisons, detections, or lists of outputs or resources under way.
        TooManyAtOnce = "too_many_at_once",
        /// The key has 100 locks on addresses without a state, or all keys together have 1,000.
        TooManyLocks = "too_many_locks",
        /// As many requests wait for a second person as may.
        TooManyApprovals = "too_many_approvals",
        /// Too many new credentials are being checked.
        CredentialsBusy = "credentials_busy",
    }
    /// The server failed.
    Failed {
        /// The server failed.
        Internal = "internal",
        /// A backup could not be made.
        BackupFailed = "backup_failed",
        /// The stored bytes cannot be read, or are not those that were written.
        Damaged = "damaged",
    }
    /// The server has too much to do, or stops.
    Busy {
        /// The memory for bodies and answers (`--max-in-flight`) is in use.
        OverMemoryBudget = "over_memory_budget",
        /// This address has its share of `--max-connections`, or all of them are in use.
        TooManyConnections = "too_many_connections",
        /// `--max-queue` writes wait already, or a quarter of that of this key.
        QueueFull = "queue_full",
        /// The server is stopping.
        ShuttingDown = "shutting_down",
    }
    /// The disk has too little room.
    NoRoom {
        /// The disk has less room than `--min-free-space`.
        DiskFull = "disk_full",
        /// The workspace has as much as its quota allows (member `quota`: `bytes`, `states` or
        /// `versions`).
        QuotaExceeded = "quota_exceeded",
        /// A backup needs more room than there is.
        NoRoomForBackup = "no_room_for_backup",
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl serde::Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

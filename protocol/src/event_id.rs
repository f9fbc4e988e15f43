//! The registry of stable event ids: what a daemon logs at `INFO` and above is named here, so that alerts can rely on it.
//!
//! Append-only: an id is never renamed or used for something else. `deploy/docs/events.md` is the same table for
//! operators; a test keeps both equal, and another that no line is logged without its id and at another level.

use std::fmt;

/// How serious an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something changed.
    Info,
    /// May wake a person.
    Warn,
    /// The process ends.
    Error,
}

impl Severity {
    /// As logs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

impl EventId {
    /// The id as it is logged: `area.event`.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// At which level it is logged.
    pub const fn severity(self) -> Severity {
        self.row().1
    }

    /// What it means and what to do, for operators.
    pub const fn meaning(self) -> &'static str {
        self.row().2
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

macro_rules! registry {
    ($( $variant:ident $text:literal $severity:ident $meaning:literal; )+) => {
        /// The stable name of a log line: `tracing::warn!(event_id = %EventId::…, …)`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum EventId {
            $( #[doc = $meaning] $variant, )+
        }

        impl EventId {
            /// Every id.
            pub const ALL: &[Self] = &[$( Self::$variant, )+];

            const fn row(self) -> (&'static str, Severity, &'static str) {
                match self {
                    $( Self::$variant => ($text, Severity::$severity, $meaning), )+
                }
            }
        }
    };
}

#[rustfmt::skip]
registry! {
    DaemonReady "daemon.ready" Info "The daemon answers.";
    ReadyFileUnwritten "daemon.ready_file" Warn "The daemon answers, but could not write `ready.json`, mostly because the disk is full; see the cause. Its line on standard output says the same.";
    DaemonDraining "daemon.draining" Info "It was told to end and finishes what is under way.";
    DaemonCutOff "daemon.cut_off" Warn "Requests under way did not end in time and were cut off; their clients retry.";
    DaemonFatal "daemon.fatal" Error "The process ends because it cannot keep its promises, such as after a failed write; see the cause and the disk.";
    ConfigReloaded "config.reloaded" Info "The configuration was read again.";
    ConfigRefused "config.refused" Warn "The configuration was not taken over; the earlier one stays in force. Correct it and reload.";
    TlsRefused "tls.refused" Warn "New certificates or keys of TLS were not taken over; the earlier ones stay in force. Correct the files and reload.";
    ApiKeysRefused "api_keys.refused" Warn "The bearer keys could not be read again; the earlier ones stay in force.";
    FilesLimited "limits.open_files" Warn "The limit of open files allows fewer connections than configured; raise `LimitNOFILE`.";
    AcceptFailed "net.accept_failed" Warn "No connection could be accepted; see the limits of the process.";
    PeerUnknown "net.peer_unknown" Warn "The kernel does not say who connects; the connection was closed.";
    JournalTorn "journal.torn" Warn "An interrupted write was cut off the journal; nobody had been answered for it.";
    JournalCut "journal.cut" Warn "The journal had lost records that were acknowledged, or was damaged: it was cut back to its last whole record, and what was cut off is kept beside it. RECOVER follows.";
    JournalFull "journal.cannot_grow" Warn "There is no room for the next segment of the journal: new seats are refused. Make room.";
    SnapshotMade "snapshot.made" Info "A snapshot of the state was written: a start replays only what came after it.";
    SnapshotFailed "snapshot.failed" Warn "No snapshot could be written, for the reason given. Seats are served on; the next start takes longer. See the disk: its last room (two segments) is left to the journal.";
    SnapshotUnused "snapshot.unused" Warn "A snapshot is of no use: damaged, of another journal, or of another version. An older one is taken, or the journal from its beginning.";
    BundleApplied "bundle.applied" Info "A bundle is in force.";
    ArtefactRefused "artefact.refused" Info "A file or an answer of the issuer was refused; see the code.";
    IssuerReached "issuer.reached" Info "The issuer answers, for the first time or again.";
    IssuerFailed "issuer.failed" Warn "No exchange with the issuer, for the reason of the code. Seats are served on; see the network, or ask the vendor.";
    RecoverEntered "recover.entered" Warn "The journal may be older than what was promised: no seat is given, running leases go on by the tickets of their holders. `status` says what ends it; see that no copy of the node runs, then `recover`.";
    RecoverAttested "recover.attested" Info "An operator attests that no copy of the node runs, and that it was given no new generation since its journal was written.";
    RecoverEnded "recover.ended" Info "What may have been forgotten is over, and seats are given again.";
    TicketAdopted "recover.ticket_adopted" Info "A lease that the journal lacks, or is not sure of, goes on by the ticket of its holder.";
    NodeForked "node.forked" Warn "The vendor knows something else of this node than its journal says: a copy of it runs, or it was restored. Seats are served to the end of their allocations, which are not extended; see that no copy runs, then `recover`.";
    NodeMoved "node.moved" Warn "The node runs on another machine than before. See that no copy of it runs on the first one.";
    ClockSuspect "clock.suspect" Warn "The machine's clock contradicts proven time or the running time, for the cause given. Seats are served on as far as something bounds the time; see the page on clocks.";
    ClockHealed "clock.healed" Info "The machine's clock contradicts nothing any more.";
    ClockTimeKeptAside "clock.time_kept_aside" Warn "A signed time is more than 30 days ahead of all that the node knows, and nobody vouched for it: it is not believed. Set the clock right, or import the bundle again with `--accept-time`.";
    CoreEvent "core.event" Info "The core reports something that has no id of its own yet.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_of_one_form() {
        let ids: BTreeSet<&str> = EventId::ALL.iter().map(|id| id.as_str()).collect();
        assert_eq!(ids.len(), EventId::ALL.len());
        for id in ids {
            let (area, event) = id.split_once('.').expect("area.event");
            let word =
                |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(word(area) && word(event), "{id}");
        }
    }
}

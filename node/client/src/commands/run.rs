//! `run`: a seat is held while a command runs.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use leasehold_cli::{Exit, Failure, Output};
use leasehold_client::Client;
use leasehold_protocol::code::Code;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::checkout::wish;
use super::seat_answer::named;
use super::without_seat;
use crate::cli::{OnLoss, RunArgs};

/// Signals that are passed on to the command.
const FORWARDED: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

pub(super) async fn run(client: &Client, args: &RunArgs, output: Output) -> Result<Exit, Failure> {
    let (tell_loss, losses) = mpsc::channel(1);
    let wish = wish(&args.wish)
        .on_lost(move || {
            // Full: one loss that waits to be acted upon says as much as several.
            let _ = tell_loss.try_send(());
        })
        .on_warning(move |warning| output.warning(&warning.to_string()))
        .on_regained(move |seat| output.note(&format!("the seat is back: {}", seat.seat.lease_id)));
    let seat = match client.checkout(wish).await {
        Ok(seat) => seat,
        Err(error) => return without_seat(error, output),
    };
    if let Some(proven) = seat.proven() {
        output.note(&format!("holding {}: {}, proof verified", proven.seat.lease_id, named(&proven.seat)));
    }
    let ended = run_command(&args.command, args.on_loss, losses, output).await;
    if let Err(error) = seat.release().await {
        output.warning(&format!("the seat was not given back, it ends by itself: {error}"));
    }
    ended.map(|status| Exit::status(exit_code(status)))
}

async fn run_command(
    command: &[OsString],
    on_loss: OnLoss,
    mut losses: mpsc::Receiver<()>,
    output: Output,
) -> Result<ExitStatus, Failure> {
    // Before the command starts, so that no signal for it ends this program instead.
    let mut signals = listen()?;
    let mut child = start(command)?;
    loop {
        tokio::select! {
            status = child.wait() => {
                return status.map_err(|error| {
                    Failure::new(Code::Internal, format!("cannot wait for the command: {error}"), "report this")
                });
            }
            Some(signal) = signals.recv() => send(&child, signal),
            Some(()) = losses.recv() => act(on_loss, &child, output),
        }
    }
}

fn start(command: &[OsString]) -> Result<Child, Failure> {
    let (program, args) =
        command.split_first().ok_or_else(|| Failure::usage("no command given", "add -- CMD"))?;
    Command::new(program).args(args).spawn().map_err(|error| {
        let code = match error.kind() {
            io::ErrorKind::NotFound => Code::NotFound,
            _ => Code::CannotCreate,
        };
        let detail = format!("cannot start {}: {error}", program.display());
        Failure::new(code, detail, "check the command after --")
    })
}

/// Every signal that is passed on, as it comes.
fn listen() -> Result<mpsc::Receiver<Signal>, Failure> {
    let (tell, signals) = mpsc::channel(FORWARDED.len());
    // A terminal sends its own signals to the whole group in its foreground, the command among it.
    let terminal = in_foreground();
    for forwarded in FORWARDED {
        let mut stream = signal(SignalKind::from_raw(forwarded as i32)).map_err(|error| {
            Failure::new(Code::Internal, format!("cannot wait for signals: {error}"), "report this")
        })?;
        let from_terminal = terminal && matches!(forwarded, Signal::SIGINT | Signal::SIGQUIT);
        let tell = tell.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if !from_terminal && tell.send(forwarded).await.is_err() {
                    break;
                }
            }
        });
    }
    Ok(signals)
}

fn in_foreground() -> bool {
    let terminal = File::open("/dev/tty").ok().and_then(|tty| tcgetpgrp(tty).ok());
    terminal == Some(getpgrp())
}

fn act(on_loss: OnLoss, child: &Child, output: Output) {
    output.warning("the seat is lost: the command must not use it any more");
    match on_loss {
        OnLoss::Warn => {}
        OnLoss::Term => send(child, Signal::SIGTERM),
        OnLoss::Kill => send(child, Signal::SIGKILL),
    }
}

/// The child is ours and not waited for yet, so its number is still its own.
fn send(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // It may be gone this very moment: then there is nobody to tell.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// As shells say it: the command's own code, or 128 and the signal that ended it.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| signal.saturating_add(128)));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(Code::Internal.exit())
}

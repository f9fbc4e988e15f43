//! `cargo xtask`: launches what is more than one command of cargo. It builds, then hands over; it measures and tests
//! nothing itself.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask bench [P1 P3 …] [--quick] [--peers] …   measure a release build; `bench --help` says more
       cargo xtask costs [--bless]                          count what the core's operations cost
       cargo xtask model [--nightly]                        the design in every small world, and without each rule
       cargo xtask failpoints                               build the programs that can be told where to fail
       cargo xtask crash                                    the nightly form of crashes, disks and histories";

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let verb = args.next();
    let launched = match verb.as_ref().and_then(|verb| verb.to_str()) {
        Some("bench") => bench(&args.collect::<Vec<_>>()),
        Some("costs") => run_released("leasehold-costs", &args.collect::<Vec<_>>()),
        Some("failpoints") => failpoints(),
        Some("crash") => crash(),
        Some("model") => run_released("leasehold-model", &args.collect::<Vec<_>>()),
        _ => Err(USAGE.to_owned()),
    };
    launched.unwrap_or_else(|complaint| {
        eprintln!("{complaint}");
        ExitCode::from(64)
    })
}

/// Builds and runs the one program of a package.
fn run_released(package: &str, args: &[OsString]) -> Result<ExitCode, String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--quiet", "--release", "--package", package, "--"]).args(args);
    run(&mut cargo)
}

/// Builds what is measured and the program that measures, and runs it.
fn bench(args: &[OsString]) -> Result<ExitCode, String> {
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--bins"]);
    for package in ["leasehold-issuer", "leasehold-node", "leasehold-load"] {
        build.args(["--package", package]);
    }
    if args.iter().any(|arg| arg == "--peers") {
        build.args(["--features", "leasehold-load/peers"]);
    }
    let built = run(&mut build)?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    run(Command::new(target_dir()?.join("release/leasehold-load")).args(args))
}

/// Builds the programs with their fail points, apart from the usual ones but from the same dependencies.
fn failpoints() -> Result<ExitCode, String> {
    let target = target_dir()?;
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--workspace", "--bins", "--features", "leasehold-failpoint/armed", "--target-dir"]);
    run(build.arg(target.join("failpoints")).env("CARGO_BUILD_BUILD_DIR", target))
}

/// Runs what the usual tests do of this, more often.
fn crash() -> Result<ExitCode, String> {
    let built = failpoints()?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    let steps: [&[&str]; 3] = [
        &["build", "--workspace", "--bins"],
        &["test", "-p", "leasehold-crash", "--", "--nocapture"],
        &["test", "-p", "leasehold-tests", "--test", "e2e", "--", "--nocapture", "crash::", "linear::"],
    ];
    for step in steps {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let done = run(cargo.args(step).env("LEASEHOLD_NIGHTLY", "1"))?;
        if done != ExitCode::SUCCESS {
            return Ok(done);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where cargo put this program: `target/debug/xtask`.
fn target_dir() -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|error| format!("error: where am I? {error}"))?;
    let dir = own.parent().and_then(|profile| profile.parent());
    dir.map(PathBuf::from).ok_or_else(|| format!("error: {} is not in a target directory", own.display()))
}

fn run(command: &mut Command) -> Result<ExitCode, String> {
    let name = command.get_program().display().to_string();
    let status = command.status().map_err(|error| format!("error: cannot run {name}: {error}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

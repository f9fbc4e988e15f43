//! Load and benchmarks: what `cargo xtask bench` runs.
//!
//! It starts what it needs (the released programs, provisioned as a customer's are) on private ports and directories,
//! drives it with its own load generator, measures what the machine can do at best in the same run, and says for each
//! target of the project whether it is met. The table is printed; `bench/report.json` and `bench/report.html` in the
//! target directory hold the same.
//!
//! Nothing here is part of a product, and nothing is measured that is not one: there is no in-process node, no stand-in, no
//! switch in a program under test. No figure is without what it was compared with in the same run, and none comes from a
//! server that answered wrongly: every answer is checked for what it must say, and the tickets of some of them are
//! verified up to the vendor's root. No absolute figure is a target where a ratio can be one, and no pause is made before
//! an answer is used to make a server look faster than its clients find it.
//!
//! * `drive`: the load generator. `setup`: what is measured. `limit`, `peer`: what it is measured against.
//! * `scenario`: a file for each number of the table of targets. `contest`: rounds in turn, medians.
//! * `report`: rows, verdicts, and their three forms.

mod amount;
mod bench;
mod cli;
mod contest;
mod drive;
mod limit;
mod peer;
mod process;
mod report;
mod scenario;
mod setup;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser as _;

use crate::bench::{Bench, Conditions};
use crate::cli::{BenchArgs, Cli, Part};
use crate::report::{document, page, print};

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.part {
        Some(Part::Hello { socket }) => limit::hello::serve(&socket),
        #[cfg(feature = "peers")]
        Some(Part::Sqlite { dir }) => peer::sqlite::serve(&dir),
        None => measure(&cli.bench),
    }
}

fn measure(args: &BenchArgs) -> Result<()> {
    let scale = args.scale();
    let conditions = Conditions::now(scale, &args.dir)?;
    println!("{conditions}");
    let bench = Bench::new(scale, &args.dir)?;
    let mut rows = Vec::new();
    for number in args.numbers() {
        eprintln!("{number} …");
        rows.extend(scenario::run(number, &bench).with_context(|| number.to_string())?);
    }
    print(&rows);
    let out = out_dir(args)?;
    fs::create_dir_all(&out)?;
    fs::write(out.join("report.json"), document(&conditions, &rows)?)?;
    fs::write(out.join("report.html"), page(&conditions, &rows))?;
    println!("{}: report.json, report.html", out.display());
    Ok(())
}

/// `target/bench`: this program is in `target/release`.
fn out_dir(args: &BenchArgs) -> Result<PathBuf> {
    if let Some(out) = &args.out {
        return Ok(out.clone());
    }
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(|profile| profile.parent());
    Ok(target.context("this program is in a directory of its own")?.join("bench"))
}

//! `bundle`: files for nodes. The same request is answered with the same bytes.

use leasehold_cli::files::{self, Access, Existing, FileOrStdin};
use leasehold_cli::{Exit, Failure, People};
use leasehold_protocol::armour::{armour, unarmour};
use leasehold_protocol::bytes::Bytes;
use leasehold_protocol::code::Code;
use leasehold_protocol::limits::ARMOUR_BYTES;
use serde_json::json;

use crate::api::{BundleCreated, Changed, ReceiptDocument};
use crate::args::{BundleCreateArgs, BundleReceiveArgs, BundleVerb};
use crate::backend::Call;
use crate::context::Context;

pub(super) fn run(context: &Context, verb: &BundleVerb) -> Result<Exit, Failure> {
    match verb {
        BundleVerb::Create(args) => create(context, args),
        BundleVerb::Receive(args) => receive(context, args),
    }
}

fn receive(context: &Context, args: &BundleReceiveArgs) -> Result<Exit, Failure> {
    let source = FileOrStdin::from(args.file.as_os_str());
    let receipt = unarmour(&files::read(&source, ARMOUR_BYTES)?).map_err(|error| {
        let hint = "carry over again what `leasehold-node receipt` wrote, unchanged";
        Failure::new(Code::Malformed, format!("{source} is no receipt: {error}"), hint)
    })?;
    let head = args.change.head(&context.backend)?;
    let call = Call::change_by_artefact("/v1/bundles/receipts", &head, receipt);
    let answer: Changed<ReceiptDocument> = context.backend.call(call)?;
    let freed: u32 = answer.body.freed.iter().map(|freed| freed.slots.len()).sum();
    let took = answer.verb("took", "would take");
    let sentence = format!("{took} the receipt of node {}: {freed} seats are free", answer.body.node_id);
    let people = People::sentence(sentence).next(context.command("pool list"));
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

fn create(context: &Context, args: &BundleCreateArgs) -> Result<Exit, Failure> {
    let source = FileOrStdin::from(args.request.as_os_str());
    // Bytes in any form are sent as they are meant.
    let request = unarmour(&files::read(&source, ARMOUR_BYTES)?).map_err(|error| {
        let hint = "carry over again what `leasehold-node request` wrote, unchanged";
        Failure::new(Code::Malformed, format!("{source} is no request: {error}"), hint)
    })?;
    let head = args.change.head(&context.backend)?;
    let call = Call::change_by_artefact("/v1/bundles", &head, request);
    let mut answer: Changed<BundleCreated> = context.backend.call(call)?;
    if let Some(envelope) = answer.body.envelope.take() {
        write(&envelope, args)?;
    }
    let BundleCreated { bundle_id, node_id, artefacts, .. } = &answer.body;
    let out = args.out.display();
    let wrote = answer.verb("wrote", "would write");
    let sentence = format!("{wrote} bundle {bundle_id} for node {node_id} to {out}: {artefacts} artefacts");
    let people = People::sentence(sentence).next(format!("leasehold-node import {out}"));
    let mut document = json!(answer);
    document["out"] = json!(args.out);
    context.output.answer(&document, &people).map(|()| Exit::DONE)
}

/// The record is durable: now the file may be seen.
fn write(Bytes(envelope): &Bytes, args: &BundleCreateArgs) -> Result<(), Failure> {
    if !args.armour {
        return files::write(&args.out, envelope, Access::Everyone, Existing::Replace);
    }
    let text =
        armour(envelope).map_err(|error| Failure::new(Code::Internal, error.to_string(), "report it"))?;
    files::write(&args.out, text.as_bytes(), Access::Everyone, Existing::Replace)
}

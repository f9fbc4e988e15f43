//! `api-key`: keys that programs and people elsewhere call the service with.

use leasehold_cli::{Exit, Failure, People};

use super::pages;
use crate::api::{ApiKeyCreate, ApiKeyDocument, ApiKeyList, ApiKeySecret, Changed, Nothing};
use crate::args::{ApiKeyChangeArgs, ApiKeyCreateArgs, ApiKeyVerb};
use crate::backend::{Call, segment};
use crate::context::Context;

pub(super) fn run(context: &Context, verb: ApiKeyVerb) -> Result<Exit, Failure> {
    match verb {
        ApiKeyVerb::Create(args) => create(context, args),
        ApiKeyVerb::List => list(context),
        ApiKeyVerb::Rotate(args) => rotate(context, &args),
        ApiKeyVerb::Disable(args) => disable(context, &args),
    }
}

fn create(context: &Context, args: ApiKeyCreateArgs) -> Result<Exit, Failure> {
    let new = ApiKeyCreate { name: args.name, role: args.role, account: args.account };
    let answer: Changed<ApiKeySecret> = context.change("/v1/api-keys", &args.change, &new)?;
    let made = answer.verb("made", "would make");
    told(context, &answer, format!("{made} api key {}", answer.body.api_key_id))
}

fn rotate(context: &Context, args: &ApiKeyChangeArgs) -> Result<Exit, Failure> {
    let answer: Changed<ApiKeySecret> = change(context, args, "rotate")?;
    let gave = answer.verb("gave", "would give");
    told(context, &answer, format!("{gave} api key {} another secret", answer.body.api_key_id))
}

fn disable(context: &Context, args: &ApiKeyChangeArgs) -> Result<Exit, Failure> {
    let answer: Changed<ApiKeyDocument> = change(context, args, "disable")?;
    let disabled = answer.verb("disabled", "would disable");
    let people = People::sentence(format!("{disabled} api key {}", answer.body.api_key_id));
    context.output.answer(&answer, &people).map(|()| Exit::DONE)
}

fn change<T: serde::de::DeserializeOwned>(
    context: &Context,
    args: &ApiKeyChangeArgs,
    verb: &str,
) -> Result<Changed<T>, Failure> {
    let path = format!("/v1/api-keys/{}:{verb}", segment(&args.api_key));
    let head = args.change.head(&context.backend)?;
    context.backend.call(Call::change(&path, &head, &Nothing {}).of_any_version())
}

fn told(context: &Context, answer: &Changed<ApiKeySecret>, sentence: String) -> Result<Exit, Failure> {
    let people = match &answer.body.secret {
        Some(secret) => format!(
            "{sentence}\nits secret, which nothing but a repetition of this request shows again: {secret}"
        ),
        None => sentence,
    };
    context.output.answer(answer, &People::sentence(people)).map(|()| Exit::DONE)
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let api_keys = pages::all::<ApiKeyList>(context, "/v1/api-keys", None)?;
    let rows = api_keys.iter().map(|key| {
        let account = key.account_id.map_or_else(String::new, |account| account.to_string());
        [
            key.api_key_id.to_string(),
            key.name.clone(),
            key.role.name().to_owned(),
            account,
            format!("{:?}", key.state).to_lowercase(),
        ]
    });
    let people = People::table(["api key", "name", "role", "account", "state"], rows);
    context.output.answer(&ApiKeyList { api_keys, next_page_token: None }, &people).map(|()| Exit::DONE)
}

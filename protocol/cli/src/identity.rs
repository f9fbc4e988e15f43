//! Who runs this program and where: defaults for `--actor` and `--holder`.

use nix::unistd::{Uid, User, gethostname};

/// The name of the real user, or `uid:N` where the user has none (containers).
pub fn os_user() -> String {
    let uid = Uid::current();
    match User::from_uid(uid) {
        Ok(Some(user)) if !user.name.is_empty() => user.name,
        _ => format!("uid:{uid}"),
    }
}

/// The name of this machine, or `localhost` where it has none.
pub fn host_name() -> String {
    let name = gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn user_and_host_are_those_of_the_system() {
        assert_eq!(os_user(), first_line("id", &["-un"]));
        assert_eq!(host_name(), first_line("uname", &["-n"]));
    }

    fn first_line(program: &str, args: &[&str]) -> String {
        let output = Command::new(program).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

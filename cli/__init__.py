"""The `waypost` command: what an operator does on the machine itself."""

import click

from cli import address, audit, database, dns, domain, init, keys, people, roster, sync, waiver
from core import runtime


@click.group()
@click.pass_context
def main(context: click.Context) -> None:
    """Waypost: official mail addresses for the contributors of a project."""
    if context.invoked_subcommand != "init":  # that one makes the settings
        context.obj = runtime.start()


main.add_command(init.init_command)
main.add_command(database.migrate_command)
main.add_command(domain.domain)
main.add_command(dns.dns_command)
main.add_command(keys.keys)
main.add_command(address.route_command)
main.add_command(audit.audit)
main.add_command(people.admin)
main.add_command(people.person)
main.add_command(waiver.waiver)
main.add_command(roster.roster)
main.add_command(sync.sync)

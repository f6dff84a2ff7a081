"""The wiring of the stack, and the command that prints it.

`python -m cloudformation.build [--part all|pipeline] [--format json|yaml] [-o FILE]`
"""

import sys

from troposphere import Template

from cloudformation.encryption import add_encryption
from cloudformation.function import add_function
from cloudformation.messaging import add_messaging
from cloudformation.parameters import add_pipeline_parameters
from cloudformation.rendering import Form, Part, main, render
from cloudformation.rules import add_pipeline_rules
from cloudformation.tables import add_tables


def build_template(part: Part = "all") -> Template:
    """Wire the stack, or the pipeline alone (topic, queues, tables, function)."""
    template = Template(Description="Flash-sale order system: " + part)
    # Lets the deletion policy of the tables follow a parameter.
    template.set_version("2010-09-09")
    template.set_transform("AWS::LanguageExtensions")
    parameters = add_pipeline_parameters(template)
    add_pipeline_rules(template, parameters=parameters)
    encryption = add_encryption(template, customer_key_on=parameters.customer_key_on)
    tables = add_tables(template, encryption=encryption, retain_data_on=parameters.retain_data_on)
    messaging = add_messaging(template, parameters=parameters, encryption=encryption)
    add_function(
        template,
        parameters=parameters,
        encryption=encryption,
        messaging=messaging,
        tables=tables,
        gateway_url=parameters.gateway_url.ref(),
    )
    return template


def render_template(part: Part = "all", *, form: Form = "json") -> str:
    """The template of that part as text: compact sorted JSON, or YAML."""
    return render(build_template(part), form=form)


if __name__ == "__main__":
    sys.exit(main(build=build_template))

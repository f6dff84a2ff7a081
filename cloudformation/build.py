"""The wiring of the stack, and the command that prints it.

`python -m cloudformation.build [--part all|pipeline] [--format json|yaml] [-o FILE]`
"""

import sys
from dataclasses import dataclass

from troposphere import Template

from cloudformation.parameters.edge import add_edge_parameters
from cloudformation.parameters.pipeline import (
    PipelineParameters,
    add_maximum_concurrency,
    add_pipeline_parameters,
    add_reserved_concurrency,
)
from cloudformation.parameters.platform import add_platform_parameters
from cloudformation.parameters.rules import add_edge_rules, add_pipeline_rules, add_platform_rules, add_sale_rules
from cloudformation.parameters.sale import add_sale_parameters
from cloudformation.rendering import Form, Part, main, render
from cloudformation.resources.alarms import add_alarm_topic, add_alarms
from cloudformation.resources.budget import add_budget
from cloudformation.resources.canary import add_canary
from cloudformation.resources.cluster import add_cluster
from cloudformation.resources.dashboard import add_dashboard
from cloudformation.resources.encryption import Encryption, add_encryption
from cloudformation.resources.execution import add_execution
from cloudformation.resources.function import add_function
from cloudformation.resources.function_network import place_function
from cloudformation.resources.load_balancer import add_load_balancer
from cloudformation.resources.messaging import Messaging, add_messaging
from cloudformation.resources.metric_filters import add_metric_filters
from cloudformation.resources.network import add_network
from cloudformation.resources.queries import add_queries
from cloudformation.resources.reconciliation import add_reconciler
from cloudformation.resources.repositories import add_repositories
from cloudformation.resources.sale import reserve_balancer, warm_orders
from cloudformation.resources.scaling import add_scaling
from cloudformation.resources.security_groups import add_security_groups
from cloudformation.resources.services import DeploymentAlarms, add_services, payment_gateway_url
from cloudformation.resources.tables import Tables, add_tables
from cloudformation.resources.tasks import Platform
from cloudformation.resources.triggers import add_triggers
from cloudformation.resources.vpc_endpoints import add_vpc_endpoints
from cloudformation.resources.watches import (
    answer_watches,
    dead_letter_watches,
    function_watches,
    host_watches,
    queue_watches,
    reconciler_watches,
    table_watches,
    task_watches,
)


@dataclass(frozen=True, kw_only=True)
class _Spine:
    """What both parts begin with: everything between the API and a consumer."""

    parameters: PipelineParameters
    encryption: Encryption
    tables: Tables
    messaging: Messaging


def build_template(part: Part = "all") -> Template:
    """Wire the stack, or the pipeline alone (topic, queues, tables, function)."""
    template = Template()
    template.set_version("2010-09-09")
    # Lets the deletion policy of tables and secret follow a parameter.
    template.set_transform("AWS::LanguageExtensions")
    if part == "pipeline":
        template.set_description("Flash sale: the order pipeline")
        _add_pipeline(template)
    else:
        template.set_description("Flash sale: the whole system")
        _add_system(template)
    return template


def render_template(part: Part = "all", *, form: Form = "json") -> str:
    """The template of that part as text: sorted JSON, or YAML."""
    return render(build_template(part), form=form)


def _add_spine(template: Template, *, gateway_scheme: str) -> _Spine:
    parameters = add_pipeline_parameters(template, gateway_scheme=gateway_scheme)
    add_pipeline_rules(template, parameters=parameters)
    encryption = add_encryption(
        template, customer_key_on=parameters.customer_key_on, retain_data_on=parameters.retain_data_on
    )
    return _Spine(
        parameters=parameters,
        encryption=encryption,
        tables=add_tables(template, parameters=parameters, encryption=encryption),
        messaging=add_messaging(template, parameters=parameters, encryption=encryption),
    )


def _add_pipeline(template: Template) -> None:
    # Plain http for a gateway on the same machine.
    spine = _add_spine(template, gateway_scheme="https?")
    function = add_function(
        template,
        parameters=spine.parameters,
        encryption=spine.encryption,
        messaging=spine.messaging,
        tables=spine.tables,
        gateway_url=spine.parameters.gateway_url.ref(),
        reserved=add_reserved_concurrency(template),
    )
    invocations = add_maximum_concurrency(template)
    add_triggers(template, messaging=spine.messaging, function=function, invocations=invocations)


def _add_system(template: Template) -> None:
    spine = _add_spine(template, gateway_scheme="https")
    pipeline, encryption, messaging, tables = spine.parameters, spine.encryption, spine.messaging, spine.tables
    parameters = add_platform_parameters(template, architecture=pipeline.architecture)
    capacity, edge = parameters.capacity, add_edge_parameters(template)
    sale = add_sale_parameters(template)
    add_edge_rules(template, parameters=edge)
    add_sale_rules(template, sale=sale, capacity=capacity)
    add_platform_rules(template, pipeline=pipeline, parameters=parameters)
    network = add_network(template, parameters=parameters)
    security_groups = add_security_groups(template, network=network)
    add_vpc_endpoints(template, network=network, security_groups=security_groups)
    cluster = add_cluster(template, network=network)
    repositories = add_repositories(template, retain_data_on=pipeline.retain_data_on)
    execution = add_execution(template, pipeline=pipeline, encryption=encryption, repositories=repositories)
    platform = Platform(
        parameters=parameters,
        pipeline=pipeline,
        encryption=encryption,
        network=network,
        cluster=cluster,
        repositories=repositories,
        execution=execution,
    )
    balancer = add_load_balancer(
        template, pipeline=pipeline, edge=edge, network=network, security_groups=security_groups
    )
    reserve_balancer(template, sale=sale, pipeline=pipeline, balancer=balancer.balancer)
    warm_orders(tables, sale=sale)
    gateway_url = payment_gateway_url(platform)
    topic = add_alarm_topic(template, parameters=parameters, encryption=encryption)
    own_5xx, balancer_5xx, *_ = add_alarms(template, topic=topic, watches=answer_watches(balancer=balancer))
    given_up, *_ = add_alarms(template, topic=topic, watches=dead_letter_watches(messaging=messaging))
    services = add_services(
        template,
        platform=platform,
        security_groups=security_groups,
        balancer=balancer,
        messaging=messaging,
        tables=tables,
        gateway_url=gateway_url,
        alarms=DeploymentAlarms(api=(own_5xx, balancer_5xx), processor=(given_up,)),
    )
    add_reconciler(
        template,
        platform=platform,
        security_groups=security_groups,
        messaging=messaging,
        tables=tables,
        gateway_url=gateway_url,
    )
    function = add_function(
        template,
        parameters=pipeline,
        encryption=encryption,
        messaging=messaging,
        tables=tables,
        gateway_url=gateway_url,
        reserved=capacity.reserved_invocations,
        network=place_function(parameters=parameters, network=network, security_groups=security_groups),
    )
    add_triggers(template, messaging=messaging, function=function, invocations=capacity.maximum_invocations)
    errors, *_ = add_alarms(template, topic=topic, watches=function_watches(function=function))
    add_canary(template, pipeline=pipeline, function=function, alarms=(errors, given_up))
    age_steps = add_scaling(
        template,
        parameters=parameters,
        sale=sale,
        cluster=cluster,
        balancer=balancer,
        messaging=messaging,
        services=services,
    )
    add_metric_filters(template, execution=execution, function=function)
    watches = [
        *queue_watches(parameters=parameters, messaging=messaging, services=services, age_steps=age_steps),
        *host_watches(balancer=balancer, images_on=parameters.images_on),
        *task_watches(cluster=cluster),
        *table_watches(tables=tables),
        *reconciler_watches(condition=parameters.images_on),
    ]
    add_alarms(template, topic=topic, watches=watches)
    add_dashboard(template, cluster=cluster, balancer=balancer, messaging=messaging)
    add_queries(template, execution=execution)
    add_budget(template, parameters=parameters)


if __name__ == "__main__":
    sys.exit(main(build=build_template))

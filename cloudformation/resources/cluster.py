"""The ECS cluster and the names its tasks find each other by."""

from dataclasses import dataclass

from troposphere import Output, Sub, Template, ecs, servicediscovery

from cloudformation.resources.network import Network

# A task that left is still named for as long as resolvers keep the answer.
DNS_SECONDS = 10
NAMESPACE = "${AWS::StackName}.internal"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where tasks run, and the private DNS namespace of their services."""

    cluster: ecs.Cluster
    namespace: servicediscovery.PrivateDnsNamespace


def add_cluster(template: Template, *, network: Network) -> Cluster:
    """Add the cluster, with Container Insights: scaling counts its running tasks."""
    cluster = template.add_resource(
        ecs.Cluster(
            "Cluster",
            CapacityProviders=["FARGATE", "FARGATE_SPOT"],
            ClusterSettings=[ecs.ClusterSetting(Name="containerInsights", Value="enabled")],
        )
    )
    namespace = template.add_resource(
        servicediscovery.PrivateDnsNamespace("Namespace", Name=Sub(NAMESPACE), Vpc=network.vpc.ref())
    )
    template.add_output(Output("ClusterName", Description="ECS cluster that the services run in", Value=cluster.ref()))
    template.add_output(
        Output(
            "DiscoveryNamespace",
            Description="Private DNS zone with an A record for every task",
            Value=Sub(NAMESPACE),
        )
    )
    return Cluster(cluster=cluster, namespace=namespace)


def add_discovery(template: Template, title: str, *, name: str, cluster: Cluster) -> servicediscovery.Service:
    """Add the DNS name of a service: one A record per running task."""
    return template.add_resource(
        servicediscovery.Service(
            f"{title}Discovery",
            Name=name,
            NamespaceId=cluster.namespace.ref(),
            DnsConfig=servicediscovery.DnsConfig(
                DnsRecords=[servicediscovery.DnsRecord(Type="A", TTL=str(DNS_SECONDS))], RoutingPolicy="MULTIVALUE"
            ),
            # Lets ECS take an unhealthy task out of the answers.
            HealthCheckCustomConfig=servicediscovery.HealthCheckCustomConfig(FailureThreshold=1),
        )
    )

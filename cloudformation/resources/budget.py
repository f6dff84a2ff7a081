"""The monthly budget: an e-mail when the month is forecast to exceed it."""

from troposphere import Template, budgets

from cloudformation.parameters.platform import PlatformParameters


def add_budget(template: Template, *, parameters: PlatformParameters) -> None:
    """Add the budget of the account, if one is given."""
    template.add_resource(
        budgets.Budget(
            "Budget",
            Condition=parameters.budget_on,
            Budget=budgets.BudgetData(
                BudgetType="COST",
                TimeUnit="MONTHLY",
                BudgetLimit=budgets.Spend(Amount=parameters.monthly_budget.ref(), Unit="USD"),
            ),
            NotificationsWithSubscribers=[
                budgets.NotificationWithSubscribers(
                    Notification=budgets.Notification(
                        NotificationType="FORECASTED", ComparisonOperator="GREATER_THAN", Threshold=100
                    ),
                    Subscribers=[budgets.Subscriber(SubscriptionType="EMAIL", Address=parameters.alarm_email.ref())],
                )
            ],
        )
    )

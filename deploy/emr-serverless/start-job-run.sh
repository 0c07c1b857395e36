#!/bin/sh
# Start the run; the arguments are those of `kedro run`. spark.yml's settings go as properties, which no shell and no
# service splits at their spaces.
set -eu

: "${EMR_APPLICATION_ID:?the Spark application, of a release with Spark 3.5}"
: "${EMR_ROLE_ARN:?the role that the job runs as}"
: "${S3_FOLDER:?s3://… with submit.py, conf-premises.tar.gz and environment.tar.gz}"

settings=$(premises spark-flags --env=prod --conf-source=conf-premises.tar.gz --deploy-mode=cluster --format=json)
request=$(SETTINGS=$settings python3 - --env=prod --conf-source=conf-premises.tar.gz "$@" <<'END'
import json
import os
import sys

folder = os.environ["S3_FOLDER"].rstrip("/")
python = "./environment/bin/python3"
properties = json.loads(os.environ["SETTINGS"]) | {
    "spark.archives": f"{folder}/environment.tar.gz#environment",
    "spark.files": f"{folder}/conf-premises.tar.gz",
    "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": python,
    "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": python,
    "spark.executorEnv.PYSPARK_PYTHON": python,
    "spark.driver.cores": "2",  # with the 4 of the default, 8 GB would be the least
    "spark.dynamicAllocation.enabled": "false",  # it would take executors from H2O
    "spark.executor.instances": "4",
}
del properties["spark.master"]  # that of the service
request = {
    "name": properties["spark.app.name"],
    "applicationId": os.environ["EMR_APPLICATION_ID"],
    "executionRoleArn": os.environ["EMR_ROLE_ARN"],
    "jobDriver": {"sparkSubmit": {"entryPoint": f"{folder}/submit.py", "entryPointArguments": sys.argv[1:]}},
    "configurationOverrides": {
        "applicationConfiguration": [{"classification": "spark-defaults", "properties": properties}],
        "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"{folder}/logs/"}},
    },
}
print(json.dumps(request))
END
)
exec aws emr-serverless start-job-run --cli-input-json "$request"

// Job DSL: the job that runs this repository's Jenkinsfile on every push to main.

pipelineJob('extractive-qa') {
    description('Tests, trains, builds, verifies, deploys, and proves that it scales.')
    properties {
        pipelineTriggers {
            triggers {
                githubPush()
            }
        }
    }
    definition {
        cpsScm {
            scm {
                git(System.getenv('GITHUB_REPO_URL') ?: 'https://github.com/ashutoshj/extractive-qa', '*/main')
            }
            scriptPath('Jenkinsfile')
        }
    }
}

// Walks through a declarative Jenkinsfile as Jenkins does, and records every step instead of doing it.
//
// groovy harness.groovy JENKINSFILE SCENARIO: the scenario is JSON. params: values that differ from their defaults;
// environment: variables that Jenkins has for all jobs; writes: what a command's --result is to hold, by the last two words before it; leaves: files and their content, by a part of the command that leaves them; fails: the part of a command that fails.
// Prints JSON: the build's result, its parameters, options and triggers, and the events in order.

import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.codehaus.groovy.control.CompilerConfiguration

class StepFailed extends RuntimeException {
    StepFailed(String message) { super(message) }
}

// Reads as null what was never set.
class Values {
    Map<String, Object> values = [:]
    Object getProperty(String name) { return values[name] }
    void setProperty(String name, Object value) { values[name] = value == null ? null : value.toString() }
    Map<String, Object> all() { return values }
}

class Assignments {
    Map<String, Object> assigned = [:]
    void setProperty(String name, Object value) { assigned[name] = value }
    Map credentials(String id) { return [credentials: id] }
}

// Notes whatever is called, with its arguments.
class Notes {
    List<Map> noted = []
    Object methodMissing(String name, Object arguments) {
        noted << [name: name, arguments: arguments as List]
        return [(name): arguments as List]
    }
}

class Condition {
    boolean holds
    void expression(Closure body) { holds = body() }
}

class Stage {
    String name
    Closure when, environment, options, steps
    Map<String, Closure> post = [:]

    void when(Closure body) { when = body }
    void environment(Closure body) { environment = body }
    void options(Closure body) { options = body }
    void steps(Closure body) { steps = body }
    void post(Closure body) { new Post(post).read(body) }
}

class Post {
    static final List<String> ORDER = [
        'always', 'changed', 'fixed', 'regression', 'aborted', 'failure', 'success', 'unstable', 'unsuccessful', 'cleanup'
    ]
    Map<String, Closure> bodies

    Post(Map<String, Closure> bodies) { this.bodies = bodies }

    void read(Closure body) {
        body.delegate = this
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
    }

    Object methodMissing(String name, Object arguments) {
        if (!(name in ORDER)) {
            throw new IllegalArgumentException("post knows no ${name}")
        }
        bodies[name] = (arguments as List)[0]
        return null
    }
}

class Pipeline {
    List<Stage> all = []
    Map<String, Closure> conditions = [:]
    Closure environmentBody
    Notes triggerNotes = new Notes(), parameterNotes = new Notes(), optionNotes = new Notes()
    Object agentChosen

    Object getAny() { return 'any' }
    void agent(Object chosen) { agentChosen = chosen }
    void triggers(Closure body) { note(body, triggerNotes) }
    void parameters(Closure body) { note(body, parameterNotes) }
    void options(Closure body) { note(body, optionNotes) }
    void environment(Closure body) { environmentBody = body }
    void post(Closure body) { new Post(conditions).read(body) }
    void stages(Closure body) {
        body.delegate = this
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
    }
    void stage(String name, Closure body) {
        Stage made = new Stage(name: name)
        body.delegate = made
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
        all << made
    }

    static void note(Closure body, Notes notes) {
        body.delegate = notes
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
    }
}

abstract class Steps extends Script {
    Map scenario
    List<Map> events = []
    Map<String, String> files = [:]
    Values env = new Values()
    Map params = [:]
    Map scm = [userRemoteConfigs: 'as the job says']
    Pipeline described = new Pipeline()
    String result = 'SUCCESS'
    Values currentBuild = new Values()

    // A script's properties are its binding's: what is assigned to `scenario` elsewhere would not arrive here.
    void play(Map given) {
        scenario = given
        run()
    }

    void pipeline(Closure body) {
        body.delegate = described
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
        described.parameterNotes.noted.each { params[it.arguments[0].name] = it.arguments[0].defaultValue }
        params.putAll(scenario.params ?: [:])
        env.all().putAll(JOB_NAME: 'qna', BUILD_NUMBER: '7', BUILD_URL: 'https://jenkins.example/job/qna/7/')
        env.all().putAll((scenario.environment ?: [:]).findAll { it.value != null })
        env.all().putAll(assigned(described.environmentBody))
        described.all.each { walk(it) }
        conclude(described.conditions)
    }

    void walk(Stage stage) {
        if (result != 'SUCCESS') {
            events << [event: 'skipped', stage: stage.name, why: 'failure']
            return
        }
        if (stage.when != null && !holds(stage.when)) {
            events << [event: 'skipped', stage: stage.name, why: 'when']
            return
        }
        Map before = [:] + env.all()
        Map own = assigned(stage.environment)
        Notes options = new Notes()
        if (stage.options != null) {
            Pipeline.note(stage.options, options)
        }
        events << [event: 'stage', stage: stage.name, options: options.noted, credentials: secrets(own)]
        env.all().putAll(own)
        env.all()['STAGE_NAME'] = stage.name
        try {
            stage.steps.call()
        } catch (StepFailed failed) {
            result = 'FAILURE'
            events << [event: 'failed', stage: stage.name, message: failed.message]
        }
        own.keySet().each { if (before.containsKey(it)) { env.all()[it] = before[it] } else { env.all().remove(it) } }
        conclude(stage.post)
        env.all()['STAGE_NAME'] = 'Declarative: Post Actions'
    }

    void conclude(Map<String, Closure> bodies) {
        List<String> hold = result == 'SUCCESS' ? ['always', 'success', 'cleanup']
            : ['always', 'failure', 'unsuccessful', 'cleanup']
        Post.ORDER.findAll { it in hold && bodies[it] != null }.each { condition ->
            events << [event: 'post', condition: condition]
            bodies[condition]()
        }
    }

    Map assigned(Closure body) {
        if (body == null) {
            return [:]
        }
        Assignments made = new Assignments()
        body.delegate = made
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
        return made.assigned.collectEntries { [(it.key): it.value instanceof Map ? it.value : it.value.toString()] }
    }

    static Map secrets(Map own) {
        return own.findAll { it.value instanceof Map }.collectEntries { [(it.key): it.value.credentials] }
    }

    boolean holds(Closure body) {
        Condition condition = new Condition()
        body.delegate = condition
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
        return condition.holds
    }

    void script(Closure body) { body() }

    void sh(String command) {
        events << [event: 'sh', command: command, env: env.all().keySet() as List]
        scenario.leaves?.findAll { command.contains(it.key) }?.each { files.putAll(it.value) }
        if (scenario.fails && command.contains(scenario.fails)) {
            throw new StepFailed("script returned exit code 1: ${command}")
        }
        List<String> words = command.tokenize()
        int at = words.indexOf('--result')
        if (at > 0) {
            files[words[at + 1]] = scenario.writes[words[at - 1]] ?: ''
        }
    }

    Map checkout(Object source) {
        events << [event: 'checkout', source: source]
        return [GIT_COMMIT: 'c' * 40, GIT_URL: scenario.git ?: 'https://git.example/ada/qna.git']
    }

    Map scmGit(Map arguments) { return arguments }
    boolean fileExists(String path) { return files.containsKey(path) }
    String readFile(String path) { return files[path] + '\n' }
    String developers() { return 'developers' }
    String requestor() { return 'requestor' }
    void echo(String text) { events << [event: 'echo', text: text] }
    void junit(Map arguments) { events << [event: 'junit'] + arguments }
    void publishHTML(Map arguments) { events << [event: 'page'] + arguments.target }
    void archiveArtifacts(Map arguments) { events << [event: 'archive'] + arguments }
    void emailext(Map arguments) { events << [event: 'mail'] + arguments.collectEntries { [(it.key): it.value.toString()] } }
    void cleanWs() { events << [event: 'clean'] }
}

CompilerConfiguration configuration = new CompilerConfiguration(scriptBaseClass: Steps.name)
Steps build = (Steps) new GroovyShell(this.class.classLoader, new Binding(), configuration).parse(new File(args[0]))
build.play((Map) new JsonSlurper().parse(new File(args[1])))
println JsonOutput.toJson([
    result: build.result,
    description: build.currentBuild.description,
    agent: build.described.agentChosen,
    triggers: build.described.triggerNotes.noted*.name,
    parameters: build.described.parameterNotes.noted.collect { it.arguments[0] },
    options: build.described.optionNotes.noted,
    events: build.events
])
